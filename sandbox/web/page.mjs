// What a page does for a backend of the browser. It is handed its request, and everything that it reads, by whoever opened the
// page, under the page's own address; there is no network. What it writes goes back through the function `deliver` of the page.

import { answer } from "./execution.mjs";
import { parse, serialise } from "./safetensors.mjs";

/** Characters in which a file is delivered at a time. */
const PART = 4 << 20;

/**
 * Who hears what the runtime says. It has to stand before the runtime is loaded, which keeps the functions that it finds. Nobody
 * else does: a session that was once asked to tell everything goes on telling, and each line would go over the pipe.
 */
let listener;
for (const level of ["debug", "error", "info", "log", "warn"]) {
  console[level] = (...words) => listener?.(words.join(" "));
}

export async function run() {
  const request = await (await fetch("/request.json")).json();
  const { backend } = await import(`./${request.job.backend}.mjs`);
  const host = {
    artefact: await bytes("/artefact"),
    beside: await Promise.all(request.beside.map(async (name) => ({ path: name, data: await bytes(`/beside/${name}`) }))),
    versions: { chromium: request.browser },
    hear: (heard) => {
      listener = heard;
    },
    read: async (set) => parse(await bytes(`/input${set}`)),
    write: (set, tensors) => {
      const name = `outputs/${set.replace(/^.*\//, "")}`;
      const text = serialise(tensors).toBase64();
      for (let at = 0; at < text.length; at += PART) deliver(JSON.stringify({ name, part: text.slice(at, at + PART) }));
      return name;
    },
    settled: async () => {
      globalThis.gc?.();
      return Number(await (await fetch("/settled")).text());
    },
  };
  return JSON.stringify(await answer(runtime, backend, host, request));
}

async function runtime() {
  const ort = await import("/runtime/ort.webgpu.min.mjs");
  ort.env.wasm.wasmPaths = "/runtime/";
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  return ort;
}

async function bytes(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

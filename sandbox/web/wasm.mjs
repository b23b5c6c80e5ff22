// `wasm`: an ONNX file on ONNX Runtime's WebAssembly build, in Node. `wasm.mjs REQUEST` reads what it is asked, and leaves its
// answer as `answer.json` in the work folder. One process for each attempt.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { answer } from "./execution.mjs";
import { parse, serialise } from "./safetensors.mjs";

/** Where the outputs of each input set go, below the work folder. */
const OUTPUTS = "outputs";

const backend = { provider: "wasm", device: () => "wasm" };

/** Who hears what the runtime says, in the place of the log. It writes to the standard error stream by itself. */
let listener;
const writeSync = fs.writeSync;
fs.writeSync = (file, text, ...more) => {
  if (listener === undefined || file !== 2) return writeSync(file, text, ...more);
  listener(String(text));
  return text.length;
};

const request = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { artefact } = request.job;
const host = {
  artefact,
  beside: weightsBeside(artefact),
  versions: { node: process.versions.node },
  hear: (heard) => {
    listener = heard;
  },
  read: (set) => parse(fs.readFileSync(set)),
  write: (set, tensors) => {
    fs.mkdirSync(path.join(request.work, OUTPUTS), { recursive: true });
    const name = path.join(OUTPUTS, path.basename(set));
    fs.writeFileSync(path.join(request.work, name), serialise(tensors));
    return name;
  },
  settled: () => {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  },
};
const answered = await answer(runtime, backend, host, request);
fs.writeFileSync(path.join(request.work, "answer.json"), JSON.stringify(answered));

/** Loads the runtime with one thread and no message of its own. */
async function runtime() {
  const ort = await import(pathToFileURL(request.library));
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  return ort;
}

/** The files beside an ONNX file, in which an exporter has put weights and which it names: this runtime opens none by itself. */
function weightsBeside(artefact) {
  const folder = path.dirname(artefact);
  const graph = fs.readFileSync(artefact);
  const files = fs.readdirSync(folder, { withFileTypes: true }).filter((file) => file.isFile());
  const named = files.map((file) => file.name).filter((name) => graph.includes(name));
  return named.map((name) => ({ path: name, data: new Uint8Array(fs.readFileSync(path.join(folder, name))) }));
}

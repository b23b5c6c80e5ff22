// `wasm`: an ONNX file on ONNX Runtime's WebAssembly build, in Node. `wasm.mjs REQUEST` reads what it is asked, and leaves its
// answer as `answer.json` in the work folder. One process for each attempt.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { read, write } from "./safetensors.mjs";

const PROVIDER = "wasm";
/** Where the outputs of each input set go, below the work folder. */
const OUTPUTS = "outputs";
const LEVELS = { disable: "disabled", basic: "basic", extended: "extended", all: "all" };

/** What is being done, for the error that interrupts it. */
let doing = "load";

/** Who hears what the runtime says, in the place of the log. It writes to the standard error stream by itself. */
let hear;
const writeSync = fs.writeSync;
fs.writeSync = (file, text, ...more) => {
  if (hear === undefined || file !== 2) return writeSync(file, text, ...more);
  hear(String(text));
  return text.length;
};

const request = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
let answer;
try {
  answer = { ok: await execute(request.job) };
} catch (error) {
  answer = { error: { exception: error?.name ?? "Error", message: message(error), doing } };
}
fs.writeFileSync(path.join(request.work, "answer.json"), JSON.stringify(answer));

async function execute(job) {
  const ort = await runtime(request.library);
  const options = { executionProviders: [PROVIDER] };
  const beside = weightsBeside(job.artefact);
  if (beside.length > 0) options.externalData = beside;
  if (request.tuning.optimization) options.graphOptimizationLevel = LEVELS[request.tuning.optimization];
  const load = (more) => ort.InferenceSession.create(job.artefact, { ...options, ...more });

  const nodes = await placed(load);
  let began = performance.now();
  let session = await load();
  const load_seconds = seconds(began);

  const example = feeds(ort, session, read(job.inputs[0]));
  const outputs = [];
  const refused = {};
  for (const set of [...job.inputs, ...job.corners]) {
    doing = "execute";
    let produced;
    try {
      produced = await session.run(feeds(ort, session, read(set)));
    } catch (error) {
      if (!job.corners.includes(set)) throw error;
      refused[path.parse(set).name] = message(error);
      continue;
    }
    doing = "write outputs";
    outputs.push(written(set, produced));
  }
  doing = "time";
  const latency_seconds = [];
  for (let repeat = 0; repeat < job.repeats; repeat++) {
    began = performance.now();
    await session.run(example);
    latency_seconds.push(seconds(began));
  }
  await session.release();
  session = undefined;

  const reload_resident_bytes = [];
  for (let reload = 0; reload < job.reloads; reload++) {
    doing = "reload";
    const again = await load();
    await again.run(example);
    await again.release();
    globalThis.gc?.();
    reload_resident_bytes.push(process.memoryUsage().rss);
  }
  return {
    device: "wasm",
    nodes,
    versions: { "onnxruntime-web": ort.env.versions.web, node: process.versions.node },
    load_seconds,
    latency_seconds,
    reload_resident_bytes,
    outputs,
    refused,
  };
}

/** Loads the runtime with one thread and no message of its own. */
async function runtime(library) {
  const ort = await import(pathToFileURL(library));
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  return ort;
}

/** The nodes that the runtime has placed on each of its providers: it tells them when it is asked to tell everything. */
async function placed(load) {
  const nodes = {};
  hear = (line) => {
    const found = /placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(line);
    if (found) nodes[found[1]] = Number(found[2]);
  };
  try {
    const session = await load({ logSeverityLevel: 0, logVerbosityLevel: 0 });
    await session.release();
  } finally {
    hear = undefined;
  }
  return nodes;
}

/** The files beside an ONNX file, in which an exporter has put weights and which it names: this runtime opens none by itself. */
function weightsBeside(artefact) {
  const folder = path.dirname(artefact);
  const graph = fs.readFileSync(artefact);
  const files = fs.readdirSync(folder, { withFileTypes: true }).filter((file) => file.isFile());
  const named = files.map((file) => file.name).filter((name) => graph.includes(name));
  return named.map((name) => ({ path: name, data: new Uint8Array(fs.readFileSync(path.join(folder, name))) }));
}

/** The inputs that the graph has, by its own names. One that the exporter dropped because nothing uses it is not fed. */
function feeds(ort, session, inputs) {
  const found = {};
  for (const name of session.inputNames) {
    const tensor = inputs[name.replace(/^input\./, "")];
    if (tensor === undefined) throw new Error(`the artefact wants an input \`${name}\` that the plan does not have`);
    found[name] = new ort.Tensor(tensor.type, tensor.values, tensor.shape);
  }
  return found;
}

/** Writes what a set gave, and answers with the file's name below the work folder. */
function written(set, produced) {
  const tensors = {};
  for (const [name, tensor] of Object.entries(produced)) {
    tensors[name.replace(/^output\./, "")] = { type: tensor.type, shape: tensor.dims, values: tensor.data };
  }
  fs.mkdirSync(path.join(request.work, OUTPUTS), { recursive: true });
  const name = path.join(OUTPUTS, path.basename(set));
  write(path.join(request.work, name), tensors);
  return name;
}

function seconds(began) {
  return (performance.now() - began) / 1000;
}

function message(error) {
  return String(error?.message ?? error);
}

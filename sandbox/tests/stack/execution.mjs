// What `execution.mjs` makes of what a runtime says and does, with a runtime that does as each case has it:
// `execution.mjs MODULE`.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const { answer } = await import(pathToFileURL(process.argv[2]));

const PLACED = "[V:onnxruntime:, session_state.cc:1380 VerifyEachNodeIsAssignedToAnEp] ";

/** Runs two input sets and a corner on a runtime with one input of two axes; `says` tells what it says of a session. */
async function run({ says, dispatched, fixed_sizes = false, fails = () => false }) {
  const made = [];
  let listener;
  const host = {
    artefact: "model.onnx",
    beside: [],
    versions: {},
    hear: (heard) => (listener = heard),
    read: (set) => ({ x: { type: "float32", values: new Float32Array(4), shape: set.includes("long") ? [1, 4] : [2, 2] } }),
    write: (set) => set,
    settled: () => 1,
  };
  const ort = {
    env: { versions: { web: "1" } },
    Tensor: class {
      constructor(type, data, dims) {
        Object.assign(this, { type, data, dims });
      }
    },
    InferenceSession: {
      async create(_, options) {
        made.push(options);
        if (options.logSeverityLevel === 0) for (const line of says(options)) listener(PLACED + line);
        return {
          inputNames: ["input.x"],
          inputMetadata: [{ name: "input.x", isTensor: true, shape: ["rows", 2] }],
          async run(feeds) {
            if (fails(feeds["input.x"].dims)) throw new Error("no such size");
            return { "output.y": feeds["input.x"] };
          },
          async release() {},
        };
      },
    },
  };
  const job = { inputs: ["/sets/example.safetensors", "/sets/other.safetensors"], corners: ["/sets/long.safetensors"] };
  const backend = { provider: "gpu", device: () => "gpu", dispatched };
  const request = { job: { ...job, repeats: 1, reloads: 1 }, tuning: {}, backend: { provider: "Gpu", fixed_sizes } };
  return { ...(await answer(async () => ort, backend, host, request)), made };
}

const all = () => [" All nodes placed on [Gpu]. Number of nodes: 3"];
const some = () => [
  " Node(s) placed on [Cpu]. Number of nodes: 2",
  "   Cast (first)",
  "   Cast (second)",
  " Node(s) placed on [Gpu]. Number of nodes: 5",
  "   MatMul (third)",
];

let { ok } = await run({ says: all });
assert.deepEqual([ok.nodes, ok.elsewhere, ok.outputs.length], [{ Gpu: 3 }, {}, 3]);
({ ok } = await run({ says: some, dispatched: () => 1 }));
assert.deepEqual([ok.nodes, ok.elsewhere], [{ Cpu: 2, Gpu: 5 }, { Cast: 2 }]);
// What says nothing has placed nothing, for the judge to refuse.
({ ok } = await run({ says: () => ["Nodes are on Gpu"] }));
assert.deepEqual(ok.nodes, {});

// A provider that was handed nothing has computed nothing, whatever it said of its nodes.
let { error } = await run({ says: all, dispatched: () => 0 });
assert.match(error.message, /handed no work/);

// A corner may be refused, and no other set.
const long = (dims) => dims[1] === 4;
({ ok } = await run({ says: all, fails: long }));
assert.deepEqual([ok.refused, ok.outputs.length], [{ long: "no such size" }, 2]);
({ error } = await run({ says: all, fails: (dims) => !long(dims) }));
assert.deepEqual([error.doing, error.message], ["execute", "no such size"]);

// A session for each combination of sizes, and what any of them has elsewhere is told.
const later = ({ freeDimensionOverrides: { rows } }) => (rows === 1 ? some() : all());
const fixed = await run({ says: later, fixed_sizes: true });
assert.deepEqual([fixed.ok.nodes, fixed.ok.elsewhere], [{ Cpu: 2, Gpu: 5 }, { Cast: 2 }]);
const sizes = new Set(fixed.made.map((options) => options.freeDimensionOverrides?.rows));
assert.deepEqual(sizes, new Set([undefined, 2, 1]));
console.log("execution: right");

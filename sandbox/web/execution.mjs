// One execution of an ONNX file on ONNX Runtime for the web, in whatever hosts it.
//
// A backend says which part of the runtime it means:
//
//   provider    what the runtime is asked for
//   device()    the device that executes, as it says itself
//   dispatched() how often it was handed work so far; absent where the runtime has no other way
//
// A host says how files are reached:
//
//   read(set), write(set, tensors)  the tensors of a file of inputs, and those of its outputs
//   artefact                        the ONNX file: its path, or its bytes
//   beside                          the files beside it that it names, as the runtime takes them
//   hear(listener)                  hands every line that the runtime says to the listener, until it is called without one
//   settled()                       waits until what is unused is given back, and answers with the resident bytes; 0 where they
//                                  cannot be seen

const LEVELS = { disable: "disabled", basic: "basic", extended: "extended", all: "all" };

/** What is being done, for the error that interrupts it. */
let doing = "load";

/** Executes what is asked, and answers as a worker answers: `{ ok }` or `{ error }`. */
export async function answer(open, backend, host, request) {
  try {
    return { ok: await execute(await open(), backend, host, request) };
  } catch (error) {
    return { error: { exception: error?.name ?? "Error", message: message(error), doing } };
  }
}

async function execute(ort, backend, host, { job, tuning, backend: facts }) {
  const loader = new Loader(ort, backend, host, tuning, facts);
  const example = await host.read(job.inputs[0]);
  const device = await backend.device();
  await loader.count(example);
  let began = performance.now();
  await loader.session(example);
  const load_seconds = seconds(began);

  const outputs = [];
  const refused = {};
  for (const set of [...job.inputs, ...job.corners]) {
    doing = "execute";
    let produced;
    try {
      produced = await loader.run(await host.read(set));
    } catch (error) {
      if (!job.corners.includes(set)) throw error;
      refused[name(set)] = message(error);
      continue;
    }
    doing = "write outputs";
    outputs.push(await host.write(set, produced));
  }
  if (backend.dispatched?.() === 0) throw new Error("the provider was handed no work in any run");
  doing = "time";
  await loader.run(example);
  const latency_seconds = [];
  for (let repeat = 0; repeat < job.repeats; repeat++) {
    began = performance.now();
    await loader.run(example);
    latency_seconds.push(seconds(began));
  }
  await loader.release();

  const reload_resident_bytes = [];
  for (let reload = 0; reload < job.reloads; reload++) {
    doing = "reload";
    await loader.run(example);
    await loader.release();
    const resident = await host.settled();
    // Where the memory of the host's processes cannot be seen, nothing is said of it.
    if (resident > 0) reload_resident_bytes.push(resident);
  }
  const { nodes, elsewhere } = loader;
  const versions = { "onnxruntime-web": ort.env.versions.web, ...host.versions };
  return { device, nodes, elsewhere, versions, load_seconds, latency_seconds, reload_resident_bytes, outputs, refused };
}

/** Loads the artefact, and keeps the session that it made last. */
class Loader {
  /** The most nodes that any session had on each provider. */
  nodes = {};
  /** The operators of the nodes that are on another provider than the backend's, and how often each is there. */
  elsewhere = {};
  #session;
  /** What the session was made for, and for what nodes have been counted. */
  #sizes;
  #counted = new Set();
  #inputs;

  constructor(ort, backend, host, tuning, facts) {
    Object.assign(this, { ort, host, facts });
    this.options = { executionProviders: [backend.provider] };
    if (host.beside.length > 0) this.options.externalData = host.beside;
    if (tuning.optimization) this.options.graphOptimizationLevel = LEVELS[tuning.optimization];
  }

  /** Counts the nodes in a session of its own: what the runtime says meanwhile would be in the measured time. */
  async count(inputs) {
    const session = await this.#loadAndCount(await this.#sizesOf(inputs));
    await session.release();
  }

  /** The session for these inputs. */
  async session(inputs) {
    const sizes = await this.#sizesOf(inputs);
    if (this.#session === undefined || sizes !== this.#sizes) {
      await this.release();
      this.#session = await (this.#counted.has(sizes) ? this.#load(sizes) : this.#loadAndCount(sizes));
      this.#sizes = sizes;
    }
    return this.#session;
  }

  async run(inputs) {
    const session = await this.session(inputs);
    const feeds = {};
    // The inputs that the graph has. One that the exporter dropped because nothing uses it is not fed.
    for (const name of session.inputNames) {
      const tensor = inputs[plain(name)];
      if (tensor === undefined) throw new Error(`the artefact wants an input \`${name}\` that the plan does not have`);
      feeds[name] = new this.ort.Tensor(tensor.type, tensor.values, tensor.shape);
    }
    const produced = {};
    for (const [name, tensor] of Object.entries(await session.run(feeds))) {
      produced[name.replace(/^output\./, "")] = { type: tensor.type, shape: tensor.dims, values: tensor.data };
    }
    return produced;
  }

  async release() {
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  #load(sizes, more = {}) {
    const fixed = sizes === "" ? {} : { freeDimensionOverrides: JSON.parse(sizes) };
    return this.ort.InferenceSession.create(this.host.artefact, { ...this.options, ...fixed, ...more });
  }

  /** The runtime tells where it has placed which node when it is asked to tell everything. */
  async #loadAndCount(sizes) {
    const placed = {};
    let operators;
    this.host.hear((line) => {
      const [, provider, count] = /placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(line) ?? [];
      const [, operator] = /VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(/.exec(line) ?? [];
      if (provider !== undefined) {
        placed[provider] = { count: Number(count), operators: {} };
        operators = placed[provider].operators;
      } else if (operator !== undefined && operators !== undefined) {
        operators[operator] = (operators[operator] ?? 0) + 1;
      }
    });
    let session;
    try {
      session = await this.#load(sizes, { logSeverityLevel: 0, logVerbosityLevel: 0 });
    } finally {
      this.host.hear(undefined);
    }
    for (const [provider, { count, operators }] of Object.entries(placed)) {
      most(this.nodes, provider, count);
      if (provider === this.facts.provider) continue;
      for (const [operator, times] of Object.entries(operators)) most(this.elsewhere, operator, times);
    }
    this.#counted.add(sizes);
    return session;
  }

  /** The size of each named axis of the file for these inputs, where a session is made for one; else nothing. */
  async #sizesOf(inputs) {
    if (!this.facts.fixed_sizes) return "";
    this.#inputs ??= await this.#described();
    const sizes = {};
    for (const { name, shape } of this.#inputs) {
      const given = inputs[plain(name)]?.shape ?? [];
      for (const [place, axis] of shape.entries()) {
        if (typeof axis === "string" && given[place] !== undefined) sizes[axis] = given[place];
      }
    }
    return JSON.stringify(sizes);
  }

  /** What the file says of its inputs. The runtime's own provider reads it as it is. */
  async #described() {
    const options = { ...this.options, executionProviders: ["wasm"], graphOptimizationLevel: "disabled" };
    const session = await this.ort.InferenceSession.create(this.host.artefact, options);
    const described = session.inputMetadata.filter((input) => input.isTensor);
    await session.release();
    return described;
  }
}

function most(counts, name, count) {
  counts[name] = Math.max(counts[name] ?? 0, count);
}

/** The plan's name of an input. */
function plain(name) {
  return name.replace(/^input\./, "");
}

/** The name of the set in a file. */
function name(set) {
  return set.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
}

function seconds(began) {
  return (performance.now() - began) / 1000;
}

function message(error) {
  return String(error?.message ?? error);
}

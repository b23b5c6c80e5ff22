// Adds a vector to itself on ONNX Runtime for the web: `stack.mjs LIBRARY`.

import { pathToFileURL } from "node:url";

/** A graph of one node, y = x + x over two numbers. */
const GRAPH = "CAk6NQoOCgF4CgF4EgF5IgNBZGQSAWdaDwoBeBIKCggIARIECgIIAmIPCgF5EgoKCAgBEgQKAggCQgQKABAS";

const ort = await import(pathToFileURL(process.argv[2]));
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(Buffer.from(GRAPH, "base64"), { executionProviders: ["wasm"] });
const { y } = await session.run({ x: new ort.Tensor("float32", [1, 2], [2]) });
console.log(`onnxruntime-web: ${y.data.join() === "2,4" ? "right" : "wrong"}`);

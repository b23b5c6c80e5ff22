// Tensors to and from safetensors files: eight bytes of a length, a JSON header of that length, and the values.

import fs from "node:fs";

/** For each type of the file: the type of ONNX Runtime, and the array that holds its values. */
const TYPES = {
  F64: ["float64", Float64Array],
  F32: ["float32", Float32Array],
  F16: ["float16", globalThis.Float16Array ?? Uint16Array],
  I64: ["int64", BigInt64Array],
  I32: ["int32", Int32Array],
  I16: ["int16", Int16Array],
  I8: ["int8", Int8Array],
  U64: ["uint64", BigUint64Array],
  U32: ["uint32", Uint32Array],
  U16: ["uint16", Uint16Array],
  U8: ["uint8", Uint8Array],
  BOOL: ["bool", Uint8Array],
};

/** Reads a file: by its name the type, the shape and the values of each tensor. */
export function read(path) {
  const bytes = fs.readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (!(dtype in TYPES)) throw new TypeError(`${path}: tensor ${name} has the unknown type ${dtype}`);
    const [type, Values] = TYPES[dtype];
    // A copy begins at a multiple of every size of a value, which a place in the file need not be.
    const part = bytes.buffer.slice(bytes.byteOffset + 8 + length + start, bytes.byteOffset + 8 + length + end);
    tensors[name] = { type, shape, values: new Values(part) };
  }
  return tensors;
}

/** Writes tensors in the order of their names. */
export function write(path, tensors) {
  const header = {};
  const parts = [];
  let offset = 0;
  for (const name of Object.keys(tensors).sort()) {
    const { type, shape, values } = tensors[name];
    const dtype = Object.keys(TYPES).find((dtype) => TYPES[dtype][0] === type);
    if (dtype === undefined) throw new TypeError(`output ${name} has the type ${type}, which a file cannot hold`);
    const part = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    header[name] = { dtype, shape, data_offsets: [offset, offset + part.length] };
    offset += part.length;
    parts.push(part);
  }
  let text = Buffer.from(JSON.stringify(header), "utf8");
  text = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(path, Buffer.concat([length, text, ...parts]));
}

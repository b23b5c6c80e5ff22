// Tensors to and from the bytes of a safetensors file: eight bytes of a length, a JSON header of that length, and the values.

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

/** What the bytes of a file hold: by its name the type, the shape and the values of each tensor. */
export function parse(file) {
  // What Node reads is a view whose parts are views again; here every part is to be a copy.
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (!(dtype in TYPES)) throw new TypeError(`tensor ${name} has the unknown type ${dtype}`);
    const [type, Values] = TYPES[dtype];
    // A copy begins at a multiple of every size of a value, which a place in the file need not be.
    const part = bytes.slice(8 + length + start, 8 + length + end);
    tensors[name] = { type, shape, values: new Values(part.buffer, 0, part.byteLength / Values.BYTES_PER_ELEMENT) };
  }
  return tensors;
}

/** The bytes of a file with these tensors, in the order of their names. */
export function serialise(tensors) {
  const header = {};
  const parts = [];
  let offset = 0;
  for (const name of Object.keys(tensors).sort()) {
    const { type, shape, values } = tensors[name];
    const dtype = Object.keys(TYPES).find((dtype) => TYPES[dtype][0] === type);
    if (dtype === undefined) throw new TypeError(`output ${name} has the type ${type}, which a file cannot hold`);
    const part = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    header[name] = { dtype, shape, data_offsets: [offset, offset + part.length] };
    offset += part.length;
    parts.push(part);
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // The values begin at a multiple of eight; what fills up to it is white space of the JSON.
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + offset).fill(" ".charCodeAt(0), 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  offset = 8 + padded;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

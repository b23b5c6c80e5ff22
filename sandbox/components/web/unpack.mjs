// Unpacks the browser that the package `@sparticuz/chromium` carries into the folder `chromium`, with the libraries that it needs
// and with the software adapter of WebGPU. It runs in the component's folder.

import fs from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";

import tar from "tar-fs";

const PACKED = "node_modules/@sparticuz/chromium/bin";
const TO = "chromium";

const unpack = (name, to) =>
  pipeline(fs.createReadStream(path.join(PACKED, name)), zlib.createBrotliDecompress(), to);

fs.mkdirSync(TO, { recursive: true });
await unpack("chromium.br", fs.createWriteStream(path.join(TO, "chromium"), { mode: 0o755 }));
await unpack("swiftshader.tar.br", tar.extract(TO));
await unpack("al2023.tar.br", tar.extract(TO));
// What is unpacked is not kept twice.
fs.rmSync(PACKED, { recursive: true });

// Which of the .onnx files of a folder does onnxruntime-web make a session of? For tests/oracle/op_support.py.
//   node load_models.js FOLDER plain|asyncify
// Prints {"version": ..., "file": null or "the error"}.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

import { packages } from './bundles.js';

setFlagsFromString('--liftoff-only');  // see web.js
const [folder, build] = process.argv.slice(2);
const dist = path.join(packages, 'onnxruntime-web/dist');
const ort = await import(pathToFileURL(path.join(dist, build === 'plain' ? 'ort.wasm.min.mjs' : 'ort.webgpu.min.mjs')));
const runtime = path.join(dist, `ort-wasm-simd-threaded${build === 'plain' ? '' : '.asyncify'}`);
ort.env.wasm.wasmPaths = { mjs: `${pathToFileURL(runtime)}.mjs`, wasm: `${pathToFileURL(runtime)}.wasm` };
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'fatal';

const answers = { version: ort.env.versions.web };
for (const file of readdirSync(folder).sort()) {
  if (!file.endsWith('.onnx')) continue;
  try {
    const session = await ort.InferenceSession.create(readFileSync(path.join(folder, file)), { executionProviders: ['wasm'] });
    answers[file] = null;
    await session.release();
  } catch (error) {
    answers[file] = String(error.message ?? error);
  }
}
console.log(JSON.stringify(answers));
process.exit(0);

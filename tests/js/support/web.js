// transformers.js as a browser has it: the web build, onnxruntime-web's wasm, models over HTTP.
// Importing this module hides from the process that it is Node, so tests that use it get a file of their own.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

import { bundles, packages } from './bundles.js';
import { serve } from './server.js';

Object.defineProperty(process, 'release', { value: {} });

// The 27 MB of wasm take V8's optimizing compiler a minute, which Node sits out before it exits; the models are tiny.
setFlagsFromString('--liftoff-only');

// The packages of a page: transformers.js 4, or 3 with the older runtime that comes with it.
const VERSIONS = {
  4: ['@huggingface/transformers', 'onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify'],
  3: ['transformers-3', 'transformers-3/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.jsep'],
};

// With `gpu`, the page has a navigator.gpu without any adapter: enough to see what would be loaded for WebGPU.
export async function openPage({ gpu = false, version = 4 } = {}) {
  const [library, runtime] = VERSIONS[version].map((name) => path.join(packages, name));
  if (gpu) {
    const value = { gpu: { requestAdapter: async () => null }, hardwareConcurrency: 1 };
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  }
  const build = path.join(library, 'dist/transformers.web.js');
  const transformers = await import(pathToFileURL(build));
  const { env } = transformers;
  const server = await serve(bundles);
  env.remoteHost = server.url;
  env.remotePathTemplate = '{model}/';
  env.allowLocalModels = false;
  env.useWasmCache = false;
  // The runtime itself comes from a CDN by default; here from the installed package, the same two files.
  env.backends.onnx.wasm.wasmPaths = { mjs: `${pathToFileURL(runtime)}.mjs`, wasm: `${pathToFileURL(runtime)}.wasm` };
  env.backends.onnx.wasm.numThreads = 1;
  return { transformers, server };
}

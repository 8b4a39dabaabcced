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

// With `gpu`, the page has a navigator.gpu without any adapter: enough to see what would be loaded for WebGPU.
export async function openPage({ gpu = false } = {}) {
  if (gpu) {
    const value = { gpu: { requestAdapter: async () => null }, hardwareConcurrency: 1 };
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  }
  const build = path.join(packages, '@huggingface/transformers/dist/transformers.web.js');
  const transformers = await import(pathToFileURL(build));
  const { env } = transformers;
  const server = await serve(bundles);
  env.remoteHost = server.url;
  env.remotePathTemplate = '{model}/';
  env.allowLocalModels = false;
  env.useWasmCache = false;
  // The runtime itself comes from a CDN by default; here from the installed package, the same two files.
  const runtime = path.join(packages, 'onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify');
  env.backends.onnx.wasm.wasmPaths = { mjs: `${pathToFileURL(runtime)}.mjs`, wasm: `${pathToFileURL(runtime)}.wasm` };
  env.backends.onnx.wasm.numThreads = 1;
  return { transformers, server };
}

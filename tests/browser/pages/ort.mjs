// Runs in the page: plain onnxruntime-web on the files of a bundle, nothing of transformers.js.
// Tensors cross the border to the test as {type, dims, data: number[]}.
import * as ort from 'onnxruntime-web/webgpu';

const build = import.meta.resolve('onnxruntime-web/webgpu').includes('jspi') ? 'jspi' : 'asyncify';
ort.env.wasm.wasmPaths = Object.fromEntries(['mjs', 'wasm'].map((end) =>
  [end, `/packages/onnxruntime-web/dist/ort-wasm-simd-threaded.${build}.${end}`]));
ort.env.wasm.numThreads = 1;

export { ort };

const ARRAYS = { int64: BigInt64Array, float32: Float32Array, float16: Float16Array };

// Floats are given as such and become what the session wants: half precision for the cache of an fp16 decoder.
export const toTensor = (type, { dims, data }) => new ort.Tensor(type, ARRAYS[type].from(data, type === 'int64' ? BigInt : undefined), dims);
const fromTensor = ({ type, dims, data }) => ({ type, dims: [...dims], data: Array.from(data, Number) });

export async function hasHalf() {
  const adapter = await navigator.gpu?.requestAdapter();
  return { adapter: Boolean(adapter), half: Boolean(adapter?.features.has('shader-f16')) };
}

// Runs all feeds through one session; `profile` prints what ran where as JSON lines to the console.
export async function runSession({ graph, shards, provider, feeds, profile = false, options = {} }) {
  const externalData = await Promise.all(shards.map(async (url) => ({
    path: url.slice(url.lastIndexOf('/') + 1),
    data: new Uint8Array(await (await fetch(url)).arrayBuffer()),
  })));
  const session = await ort.InferenceSession.create(graph, {
    executionProviders: [provider], externalData, logSeverityLevel: 3, enableProfiling: profile, ...options,
  });
  const results = [];
  for (const feed of feeds) {
    const inputs = Object.fromEntries(session.inputMetadata.map(({ name, type }) => [name, toTensor(type, feed[name])]));
    const outputs = await session.run(inputs);
    results.push(Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, fromTensor(tensor)])));
  }
  if (profile) session.endProfiling();
  await session.release();
  return results;
}

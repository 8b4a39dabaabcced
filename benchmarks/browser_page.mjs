// The page's side of benchmarks/browser.mjs: opens one variant with plain onnxruntime-web and runs it once.
import * as ort from 'onnxruntime-web/webgpu';

// Identity of one float, as ONNX (opset 21): makes the runtime compile and start before anything is measured.
const TINY = 'CAo6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEBU=';

export async function warmUp({ build, device }) {
  ort.env.wasm.wasmPaths = Object.fromEntries(['mjs', 'wasm'].map((end) =>
    [end, `/packages/onnxruntime-web/dist/ort-wasm-simd-threaded.${build}.${end}`]));
  ort.env.wasm.numThreads = 1;
  const graph = Uint8Array.from(atob(TINY), (c) => c.charCodeAt(0));
  const session = await ort.InferenceSession.create(graph, { executionProviders: [device] });
  await session.run({ x: new ort.Tensor('float32', [1], [1]) });
  await session.release();
  return wasmBytes();
}

// The heap of the runtime; it grows and never shrinks. The test's init script keeps what WebAssembly.Memory makes.
export const wasmBytes = () => globalThis.wasmMemories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);

// One sequence, nothing cached: names and shapes of inputs are those that transformers.js feeds.
function inputs(session, length) {
  const sizes = { batch_size: 1, sequence_length: length, past_sequence_length: 0, encoder_sequence_length: length };
  const ARRAYS = { int64: BigInt64Array, float32: Float32Array, float16: Float16Array, bool: Uint8Array };
  return Object.fromEntries(session.inputMetadata.map(({ name, type, shape }) => {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : sizes[dim] ?? length));
    const count = dims.reduce((a, b) => a * b, 1);
    const data = new ARRAYS[type](count);
    if (type === 'int64') data.forEach((_, i) => { data[i] = name === 'attention_mask' ? 1n : name === 'position_ids' ? BigInt(i) : BigInt(1 + (i % 50)); });
    if (name === 'token_type_ids' || name === 'num_logits_to_keep') data.fill(0n);
    return [name, new ort.Tensor(type, data, dims)];
  }));
}

const bytesOf = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

async function open({ url, graph, shards, loader, dtype, blobs }) {
  if (loader) {
    const { openBundle } = await import('/web/bantam-loader.mjs');
    return (await openBundle(url)).session(dtype);
  }
  const [model, ...data] = await Promise.all([graph, ...shards].map((name) => bytesOf(`${url}${name}`)));
  const externalData = shards.map((name, i) => ({ path: name.split('/').at(-1), data: blobs ? new Blob([data[i]]) : data[i] }));
  return { model, externalData };
}

export async function measure(job) {
  const start = performance.now();
  const { model, externalData } = await open(job);
  const loaded = performance.now();
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [job.device], externalData, logSeverityLevel: 3,
    extra: { session: { ...(job.prepack ? {} : { disable_prepacking: '1' }) } },
  });
  const created = performance.now();
  const outputs = await session.run(inputs(session, job.length));
  for (const tensor of Object.values(outputs)) await tensor.getData();
  const ran = performance.now();
  return { fetch_ms: loaded - start, create_ms: created - loaded, run_ms: ran - created, wasm_bytes: wasmBytes() };
}

// Runs in the page: the web build of transformers.js as it is published, models from this server, the runtime from its package.
export async function setUp({ host = '/models/', build = 'asyncify' } = {}) {
  const transformers = await import('@huggingface/transformers');
  const { env } = transformers;
  env.allowLocalModels = false;
  env.remoteHost = new URL(host, location.href).href;
  env.remotePathTemplate = '{model}/';
  env.backends.onnx.wasm.wasmPaths = Object.fromEntries(['mjs', 'wasm'].map((end) =>
    [end, new URL(`/packages/onnxruntime-web/dist/ort-wasm-simd-threaded.${build}.${end}`, location.href).href]));
  env.backends.onnx.wasm.numThreads = 1;
  return transformers;
}

const plain = (value) => JSON.parse(JSON.stringify(value, (_, x) =>
  (typeof x === 'bigint' ? Number(x) : ArrayBuffer.isView(x) ? Array.from(x, Number) : x)));

// What pipeline(task, model, options) answers to each of `calls`: lists of arguments. With `loader`, through web/.
export async function ask({ task, model, options, calls, loader, host, build, blobs }) {
  const start = performance.now();
  let guard = (promise) => promise;
  const loading = loader ? import('/web/bantam-loader.mjs').then(({ openBundle }) => openBundle(`${host ?? '/models/'}${model}/`, loader)) : null;
  // The shards are on their way before transformers.js has been compiled.
  loading?.then((bundle) => bundle.load(options.dtype)).catch(() => {});
  const transformers = await setUp({ host, build });
  if (loading) {
    const bundle = await loading;
    bundle.attach(transformers.env);
    guard = (promise) => bundle.guard(promise);
    if (blobs) options = { ...options, ...(await bundle.transformersOptions(options.dtype)) };
  }
  try {
    const pipe = await guard(transformers.pipeline(task, model, options));
    const answers = [];
    let first;
    for (const call of calls) {
      const answer = await pipe(...call);
      first ??= performance.now() - start;
      answers.push(plain(answer.tolist?.() ?? answer));
    }
    await pipe.dispose();
    return { answers, first };
  } catch (error) {
    return { error: { name: error.name, file: error.file, message: error.message } };
  }
}

// Token ids that greedy generation gives for ids or a text, in several calls of one model.
export async function generate({ model, options, prompts, tokens }) {
  const transformers = await setUp();
  const decoder = await transformers.AutoModelForCausalLM.from_pretrained(model, options);
  const tokenizer = prompts.some(({ text }) => text !== undefined) ? await transformers.AutoTokenizer.from_pretrained(model) : null;
  const tensor = (rows) => new transformers.Tensor('int64', rows.flat().map(BigInt), [rows.length, rows[0].length]);
  const results = [];
  for (const { text, ids, mask } of prompts) {
    const inputs = text === undefined ? { input_ids: tensor(ids), attention_mask: tensor(mask) } : tokenizer(text);
    const output = await decoder.generate({ ...inputs, max_new_tokens: tokens, do_sample: false, eos_token_id: null });
    results.push({ given: plain(inputs.input_ids.tolist()), all: plain(output.tolist()) });
  }
  await decoder.dispose();
  return results;
}

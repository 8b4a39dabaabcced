// The model lives here, so that the page stays responsive while it computes.
const post = (type, data = {}) => self.postMessage({ type, ...data });
let lib = null;
let pipe = null;
let stopper = null;
let base = '';

// Of a file that does not come, transformers.js may wait forever; of a web page in its place it says little.
const plainFetch = self.fetch.bind(self);
self.fetch = async (input, options) => {
  const response = await plainFetch(input, options);
  const url = String(input.url ?? input);
  if (!url.startsWith(base)) return response;
  const file = decodeURIComponent(url.slice(base.length).split('?')[0]).replace(/^(\.?\/)+/, '');
  const needed = /(\.onnx|\.onnx_data(_\d+)?|^config\.json|tokenizer(_config)?\.json)$/.test(file);
  const html = (response.headers.get('Content-Type') ?? '').startsWith('text/html');
  if (needed && !response.ok) post('missing', { file, status: response.status });
  if (needed && response.ok && html) post('missing', { file, status: 'a web page' });
  return response;
};

async function load({ libUrl, ortUrl, baseUrl, task, device, dtype }) {
  base = baseUrl;
  try {
    lib = await import(libUrl);
  } catch (error) {
    return post('no-library', { url: libUrl, message: String(error?.message ?? error) });
  }
  const { env } = lib;
  // The bundle is the folder of this page; kept by the browser as HTTP allows, asked for again when it changes.
  env.allowLocalModels = false;
  env.allowRemoteModels = true;
  env.remoteHost = baseUrl;
  env.remotePathTemplate = './';
  env.useBrowserCache = false;
  env.backends.onnx.wasm.wasmPaths = ortUrl;
  const begin = performance.now();
  await pipe?.dispose?.();
  pipe = null;
  pipe = await lib.pipeline(task, 'bundle', { device, dtype, progress_callback: (event) => post('progress', { event }) });
  post('ready', {
    ms: performance.now() - begin,
    maskToken: pipe.tokenizer?.mask_token ?? null,
    chat: Boolean(pipe.tokenizer?.chat_template),
    threads: env.backends.onnx.wasm.numThreads ?? null,
    library: env.version ?? '',
  });
}

const numbers = (tensor) => Array.from(tensor.data, Number);
const cosine = (a, b) => {
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < a.length; ++i) { ab += a[i] * b[i]; aa += a[i] * a[i]; bb += b[i] * b[i]; }
  return ab / Math.sqrt(aa * bb);
};

async function generate({ text, tokens }, chat) {
  let count = 0;
  let first = 0;
  const begin = performance.now();
  const streamer = new lib.TextStreamer(pipe.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    callback_function: (piece) => post('piece', { piece }),
    token_callback_function: () => { if (++count === 1) first = performance.now() - begin; },
  });
  stopper = lib.InterruptableStoppingCriteria ? new lib.InterruptableStoppingCriteria() : null;
  const input = chat ? [{ role: 'user', content: text }] : text;
  await pipe(input, { max_new_tokens: tokens, do_sample: false, streamer, ...(stopper && { stopping_criteria: stopper }) });
  const ms = performance.now() - begin;
  return { tokens: count, firstMs: first, perSecond: count > 1 ? (1000 * (count - 1)) / (ms - first) : 0 };
}

// What the pipeline of each task is asked, and what of its answer the page shows.
const ask = {
  'text-classification': async ({ text }) => ({ scores: await pipe(text, { top_k: 10 }) }),
  'token-classification': async ({ text }) => ({ entities: await pipe(text, { ignore_labels: ['O'] }), text }),
  'fill-mask': async ({ text }) => ({ fillings: [await pipe(text)].flat(2) }),
  'question-answering': async ({ question, text }) => ({ answer: await pipe(question, text), text }),
  'feature-extraction': async ({ text, lines }) => {
    const list = lines.split('\n').map((line) => line.trim()).filter(Boolean);
    const vectors = await pipe([text, ...list], { pooling: 'mean', normalize: true });
    const width = vectors.dims.at(-1);
    const all = numbers(vectors);
    const row = (i) => all.slice(i * width, (i + 1) * width);
    return { width, similarities: list.map((line, i) => ({ label: line, score: cosine(row(0), row(i + 1)) })) };
  },
  'text-generation': generate,
};

async function run({ task, input, chat }) {
  const begin = performance.now();
  const result = ask[task] ? await ask[task](input, chat) : { raw: await pipe(input.text) };
  post('result', { result, ms: performance.now() - begin });
}

self.onmessage = async ({ data }) => {
  if (data.type === 'stop') return stopper?.interrupt();
  try {
    await (data.type === 'load' ? load(data) : run(data));
  } catch (error) {
    post('error', { during: data.type, message: String(error?.message ?? error), stack: String(error?.stack ?? '') });
  }
};

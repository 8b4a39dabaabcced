// Tokens per second of decoders on onnxruntime-web's wasm, one thread, in Node: a prompt of 64 tokens, then 32 more, one at a time, behind
// the cache that the session itself made.
// usage: node benchmarks/wasm_decoder.mjs FILE.onnx [FILE.onnx ...]   (packages of tests/js)
// Files are run in turn, round by round, so that a machine that slows down slows all of them; a line of JSON per file.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../tests/js/node_modules/onnxruntime-web/dist');
const ort = await import(pathToFileURL(path.join(root, 'ort.wasm.min.mjs')));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = `${pathToFileURL(root)}/`;

const PROMPT = 64, TOKENS = 32, ROUNDS = 5;
const integers = (values, dims) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);

async function load(file) {
  const folder = path.dirname(file), base = path.basename(file);
  const shards = readdirSync(folder).filter((name) => name.startsWith(`${base}_data`));
  const externalData = shards.map((name) => ({ path: name, data: new Uint8Array(readFileSync(path.join(folder, name))) }));
  const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(file)), { executionProviders: ['wasm'], externalData });
  return { file, session, steps: [], prompts: [] };
}

function feedsOf(session, cache, first, count) {
  const range = (n, from = 0) => Array.from({ length: n }, (_, i) => from + i);
  const all = {
    input_ids: () => integers(range(count, first).map((i) => (i * 37) % 500 + 1), [1, count]),
    attention_mask: () => integers(range(first + count).fill(1), [1, first + count]),
    position_ids: () => integers(range(count, first), [1, count]),
    num_logits_to_keep: () => integers([1], []),
  };
  const feeds = {};
  session.inputNames.forEach((name, i) => {
    if (all[name]) feeds[name] = all[name]();
    else if (cache) feeds[name] = cache[name.replace('past_key_values', 'present')];
    else {
      const { shape, type } = session.inputMetadata[i];
      const dims = [1, shape[1], 0, shape[3]];
      feeds[name] = new ort.Tensor(type, type === 'float16' ? new Uint16Array(0) : new Float32Array(0), dims);
    }
  });
  return feeds;
}

const models = [];
for (const file of process.argv.slice(2)) models.push(await load(file));
for (let round = 0; round < ROUNDS; ++round) {
  for (const { session, steps, prompts } of models) {
    let begin = performance.now();
    let cache = await session.run(feedsOf(session, null, 0, PROMPT));
    if (round > 0) prompts.push(performance.now() - begin);
    for (let i = 0; i < TOKENS; ++i) {
      begin = performance.now();
      cache = await session.run(feedsOf(session, cache, PROMPT + i, 1));
      if (round > 0) steps.push(performance.now() - begin);
    }
  }
}
const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
for (const { file, steps, prompts } of models) {
  console.log(JSON.stringify({ file, tokens_per_second: Math.round(1000 / median(steps)), prompt_ms: Number(median(prompts).toFixed(1)) }));
}

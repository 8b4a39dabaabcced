// transformers.js, as it is published, in Chromium: classification, embeddings and generation on wasm and on WebGPU give what
// the native runtime gives, or PyTorch where it has no counterpart.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { convert, readJson, shared, testdata } from '../js/support/bundles.js';
import { launch, openPage, serveAll } from './support/browser.js';
import { isPresent } from './support/cases.js';
import { distance } from './support/compare.js';
import { readGreedy } from './support/greedy.js';
import { runTensors, runTexts } from './support/native.js';

const LIMIT = { timeout: 300_000 };

let browser, server, page;
before(async () => {
  browser = await launch();
  server = await serveAll();
  page = await openPage(browser, server);
}, LIMIT);
after(async () => {
  await browser?.close();
  await server?.close();
});

const inPage = (name, given) =>
  page.evaluate(async ([f, x]) => (await import('/pages/transformers.mjs'))[f](x), [name, given]);

// How far probabilities, and elements of a vector as a share of the largest, may be from the native runtime. Dynamic INT8 may
// round an activation to the other side.
const BOUNDS = { fp32: 1e-5, fp16: 3e-3, q8: 2e-3, int8: 2e-3, uint8: 2e-3, q4: 1e-5, q4f16: 3e-3 };
const RUNS = [
  ...Object.keys(BOUNDS).map((dtype) => ({ device: 'wasm', dtype })),
  { device: 'webgpu', dtype: 'q4' },
];
const nativeFlags = (device) => (device === 'wasm' ? ['--nbits', 'float'] : []);

test('text classification', LIMIT, async (t) => {
  const name = 'sst2-bert-tiny';
  const texts = readJson(testdata, `${name}-golden.json`).cases.map(({ text }) => text).slice(0, 6);
  const folder = convert(name, path.join(testdata, name), { shardSize: '512KiB' });
  for (const { device, dtype } of RUNS) {
    await t.test(`${dtype} on ${device}`, LIMIT, async (t2) => {
      const calls = texts.map((text) => [text, { top_k: 2 }]);
      const { answers, error } = await inPage('ask', { task: 'text-classification', model: name, options: { device, dtype }, calls });
      assert.equal(error, undefined, error?.message);
      const wanted = runTexts(folder, dtype, texts, ['--top', '2', ...nativeFlags(device)]).answers;
      let worst = 0;
      wanted.forEach(({ labels }, i) => {
        assert.deepEqual(answers[i].map(({ label }) => label), labels.map(({ label }) => label), texts[i]);
        labels.forEach(({ score }, k) => { worst = Math.max(worst, Math.abs(score - answers[i][k].score)); });
      });
      t2.diagnostic(`${worst.toExponential(1)} from native`);
      assert.ok(worst <= BOUNDS[dtype], `${worst}`);
    });
  }
});

const embedder = { name: 'stsb-bert-mini', source: path.join(shared, 'models/stsb-bert-mini') };
test('embeddings', { ...LIMIT, skip: !isPresent(embedder) && `left out: ${embedder.source} is not there` }, async (t) => {
  const texts = ['A man is playing a guitar.', 'Someone plays an instrument', 'the stock market fell on monday'];
  const folder = convert(embedder.name, embedder.source, { shardSize: '4MiB' });
  for (const { device, dtype } of RUNS) {
    await t.test(`${dtype} on ${device}`, LIMIT, async (t2) => {
      const calls = texts.map((text) => [text, { pooling: 'mean' }]);
      const { answers, error } = await inPage('ask', { task: 'feature-extraction', model: embedder.name, options: { device, dtype }, calls });
      assert.equal(error, undefined, error?.message);
      const wanted = runTexts(folder, dtype, texts, nativeFlags(device)).answers;
      const worst = Math.max(...wanted.map(({ embedding }, i) => distance(answers[i][0], embedding)));
      t2.diagnostic(`${worst.toExponential(1)} from native`);
      assert.ok(worst <= BOUNDS[dtype], `${worst}`);
    });
  }
});

// Random weights, so that any wrong mask, position or cache changes the tokens; several rows, padded on the left.
const decoders = readdirSync(path.join(testdata, 'fixtures')).filter((name) => name.endsWith('-text-generation')).sort();
const ON_WEBGPU = ['qwen3-text-generation'];
for (const name of decoders) {
  test(`${name}: generates the tokens that PyTorch does`, LIMIT, async (t) => {
    const source = path.join(testdata, 'fixtures', name);
    const { ids, mask, tokens } = readGreedy(path.join(source, 'golden.safetensors'));
    convert(name, source, { dtypes: ['fp32'], shardSize: '64KiB' });
    for (const device of ON_WEBGPU.includes(name) ? ['wasm', 'webgpu'] : ['wasm']) {
      await t.test(device, LIMIT, async () => {
        const [{ all }] = await inPage('generate', { model: name, options: { device, dtype: 'fp32' }, prompts: [{ ids, mask }], tokens: tokens[0].length });
        assert.deepEqual(all.map((row) => row.slice(ids[0].length)), tokens);
      });
    }
  });
}

// Greedily, and without a cache: all tokens again for each new one.
function nativeTokens(folder, dtype, config, given, count, flags) {
  const layers = config.num_hidden_layers;
  const size = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  const ids = [...given];
  const ints = (dims, data) => ({ type: 'int64', dims, data });
  const empty = { type: 'float32', dims: [1, config.num_key_value_heads, 0, size], data: [] };
  const cache = Object.fromEntries(Array.from({ length: layers }, (_, i) =>
    ['key', 'value'].map((kind) => [`past_key_values.${i}.${kind}`, empty])).flat());
  for (let i = 0; i < count; ++i) {
    const n = ids.length;
    const inputs = { input_ids: ints([1, n], ids), attention_mask: ints([1, n], ids.map(() => 1)),
      position_ids: ints([1, n], ids.map((_, k) => k)), num_logits_to_keep: ints([], [1]), ...cache };
    const { data } = runTensors(folder, dtype, inputs, flags).logits;
    ids.push(data.reduce((best, x, k) => (x > data[best] ? k : best), 0));
  }
  return ids;
}

const TRAINED = [
  { name: 'tinystories-656k', text: 'Once upon a time, there was a little girl named', gpu: true },
  { name: 'pycode-qwen2', text: 'def read_lines(path):\n', gpu: false },
];
for (const { name, text, gpu } of TRAINED) {
  const source = path.join(shared, 'models', name);
  test(`${name}: generates the tokens that the native runtime does`, { ...LIMIT, skip: !isPresent({ source }) && `left out: ${source} is not there` }, async (t) => {
    const folder = convert(name, source, { dtypes: ['fp32', 'q8', 'q4'], shardSize: '4MiB' });
    const config = readJson(source, 'config.json');
    const runs = [['wasm', 'fp32'], ['wasm', 'q8'], ['wasm', 'q4'], ...(gpu ? [['webgpu', 'q4']] : [])];
    for (const [device, dtype] of runs) {
      await t.test(`${dtype} on ${device}`, LIMIT, async (t2) => {
        const count = device === 'webgpu' ? 5 : 12;
        const [{ given, all }] = await inPage('generate', { model: name, options: { device, dtype }, prompts: [{ text }], tokens: count });
        const wanted = nativeTokens(folder, dtype, config, given[0], count, nativeFlags(device));
        assert.deepEqual(all[0], wanted.slice(0, all[0].length));
        t2.diagnostic(`${all[0].length - given[0].length} tokens`);
      });
    }
  });
}

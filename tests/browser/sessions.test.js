// Plain onnxruntime-web in Chromium runs every variant on wasm and on WebGPU, and computes what the native runtime does.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { sessionFiles } from '../js/support/bundles.js';
import { launch, openPage, serveAll } from './support/browser.js';
import { convertCase, decoders, encoders, isPresent } from './support/cases.js';
import { distance } from './support/compare.js';
import { runTensors } from './support/native.js';
import { assertOnGpu, fallenBack, profiledNodes } from './support/placement.js';

const LIMIT = { timeout: 300_000 };

// How far a browser may be from the native runtime on the same files, as a share of the largest output: about twice the
// worst that was measured. Half precision is rounded at other edges, dynamic INT8 may round an activation to the other side; the
// rest are sums in another order.
const BOUNDS = {
  wasm: { fp32: 2e-5, fp16: 0.03, q8: 0.05, int8: 0.05, uint8: 0.05, q4: 2e-5, q4f16: 0.03 },
  webgpu: { fp32: 2e-5, fp16: 0.03, q4: 2e-5, q4f16: 0.03 },
};
// Decoders turn their heads by sines and cosines, which WGSL promises to 2^-11 only.
const WITH_ROTARY_ON_GPU = 1e-3;

// onnxruntime-web multiplies 4-bit weights with floats on wasm.
const NATIVE = { wasm: ['--nbits', 'float'], webgpu: [] };

let browser, server, page, gpu;
before(async () => {
  browser = await launch();
  server = await serveAll();
  page = await openPage(browser, server);
  gpu = await page.evaluate(async () => (await import('/pages/ort.mjs')).hasHalf());
}, LIMIT);
after(async () => {
  await browser?.close();
  await server?.close();
});

test('the page is cross-origin isolated and has a WebGPU adapter', LIMIT, async () => {
  assert.equal(await page.evaluate('crossOriginIsolated'), true);
  assert.equal(gpu.adapter, true, 'no adapter: is this Chromium without SwiftShader?');
});

function runInPage(model, folder, dtype, provider, options = {}) {
  const [graph, ...shards] = sessionFiles(folder, dtype).map((file) => `/models/${model.name}/onnx/${file}`);
  page.lines.length = 0;
  const job = { graph, shards, provider, feeds: model.feeds, ...options };
  return page.evaluate(async (given) => (await import('/pages/ort.mjs')).runSession(given), job);
}

// The cache of a decoder has the precision of its variant.
const withCacheOf = (dtype, feed) => Object.fromEntries(Object.entries(feed).map(([name, tensor]) =>
  [name, dtype.endsWith('16') && tensor.type === 'float32' ? { ...tensor, type: 'float16' } : tensor]));

function compare(model, folder, dtype, provider, results) {
  let worst = 0;
  model.feeds.forEach((feed, i) => {
    const expected = runTensors(folder, dtype, withCacheOf(dtype, feed), NATIVE[provider]);
    assert.deepEqual(Object.keys(results[i]).sort(), Object.keys(expected).sort());
    for (const [name, { dims, data }] of Object.entries(expected)) {
      assert.deepEqual(results[i][name].dims, dims, name);
      const known = (_, k) => model.known?.[i][name][k] ?? true;
      if (data.length > 0) worst = Math.max(worst, distance(results[i][name].data.filter(known), data.filter(known)));
    }
  });
  const bound = Math.max(BOUNDS[provider][dtype], provider === 'webgpu' && decoders.includes(model) ? WITH_ROTARY_ON_GPU : 0);
  assert.ok(worst <= bound, `${worst} from the native runtime; ${bound} is allowed`);
  return worst;
}

for (const model of [...encoders, ...decoders]) {
  if (!isPresent(model)) {
    test(model.name, { skip: `left out: ${model.source} is not there` });
    continue;
  }
  test(model.name, LIMIT, async (t) => {
    // q4f16 of decoders has an operator that this wasm lacks, by default (docs/quantization.md); here all dtypes run on it.
    const folder = convertCase(model, { more: ['--embeddings', 'portable'] });
    for (const provider of ['wasm', 'webgpu']) {
      for (const dtype of provider === 'webgpu' && model.webgpu || Object.keys(BOUNDS[provider])) {
        const skip = provider === 'webgpu' && dtype.endsWith('16') && !gpu.half && 'left out: this adapter has no shader-f16';
        await t.test(`${dtype} on ${provider}`, { ...LIMIT, skip }, async (t2) => {
          const results = await runInPage(model, folder, dtype, provider, { profile: provider === 'webgpu' });
          const worst = compare(model, folder, dtype, provider, results);
          t2.diagnostic(`${worst.toExponential(1)} from native`);
          if (provider === 'webgpu') {
            const { gpu: on, cpu } = assertOnGpu(page.lines, `${model.name} ${dtype}`);
            t2.diagnostic(`${on} kernels on WebGPU, ${cpu} on integers and shapes on the CPU`);
          }
        });
      }
    }
  });
}

test('a graph that falls back to the CPU does not pass for one on WebGPU', LIMIT, async () => {
  const [model] = encoders;
  const folder = convertCase(model);
  await runInPage(model, folder, 'q8', 'webgpu', { profile: true });
  const ops = new Set(fallenBack(profiledNodes(page.lines)).map(({ op }) => op));
  assert.ok(ops.size > 0);
  assert.throws(() => assertOnGpu(page.lines, 'q8'), /belong on the GPU/);
});

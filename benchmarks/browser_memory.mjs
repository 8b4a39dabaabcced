// What a bundle takes in Chromium, beside what `bantam verify` forecasts: wasm heap, peak of the renderer process and of the
// GPU process, seconds; with --javascript the peak of what JavaScript's ArrayBuffers hold while the model loads, by
// transformers.js and by web/bantam-loader.mjs with the JSPI build (Chromium's memory-infra dumps, one every 10 ms).
//   node browser_memory.mjs BUNDLE [DTYPE...] [--device wasm|webgpu] [--tokens N] [--repeat N] [--javascript] [--json]
// Needs the packages of tests/js (playwright-core among them), a release build, and Debian's chromium.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { peakOfBuffers } from '../tests/browser/support/buffers.js';
import { bantam, packages } from '../tests/js/support/bundles.js';

const { values: options, positionals: [bundle, ...asked] } = parseArgs({
  allowPositionals: true,
  options: { device: { type: 'string', default: 'wasm' }, tokens: { type: 'string', default: '128' }, repeat: { type: 'string', default: '1' }, json: { type: 'boolean' }, javascript: { type: 'boolean' } },
});
const MiB = 1 << 20;
const mounts = [`/lib=${path.join(packages, '@huggingface/transformers/dist')}`, `/ort=${path.join(packages, 'onnxruntime-web/dist')}`, `/web=${fileURLToPath(new URL('../web', import.meta.url))}`].join(',');
const server = spawn(bantam, ['serve', bundle, '--port', '0', '--mount', mounts], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise((resolve) => server.stdout.once('data', (text) => resolve(/http:\S+/.exec(text)[0])));
const { task } = JSON.parse(readFileSync(path.join(bundle, 'bantam.json'))).model;
const forecast = JSON.parse(execFileSync(bantam, ['verify', bundle, '--json', '-q'], { maxBuffer: 1 << 28 }));
const dtypes = asked.length ? asked : forecast.variants.map(({ dtype }) => dtype);
const { chromium } = createRequire(`${packages}/`)('playwright-core');

// Peak resident memory of a process since it was last reset.
const peak = (pid) => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const resident = (pid) => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

const launch = () => chromium.launch({
  executablePath: process.env.BANTAM_CHROMIUM || '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
});

const importTransformers = (page) => page.evaluate(async ([base]) => {
  const lib = await import('/lib/transformers.min.js');
  globalThis.lib = lib;
  Object.assign(lib.env, { allowLocalModels: false, remoteHost: base, remotePathTemplate: './', useBrowserCache: false });
  lib.env.backends.onnx.wasm.wasmPaths = '/ort/';
  lib.env.backends.onnx.wasm.numThreads = 1;
}, [url]);

// How a page gets a session, in its own words.
const loadings = {
  transformers: {
    prepare: importTransformers,
    load: (page, dtype) => page.evaluate(async ([dtype, task]) => { globalThis.pipe = await globalThis.lib.pipeline(task, 'bundle', { dtype, device: 'wasm' }); }, [dtype, task]),
  },
  loader: {
    prepare: (page) => page.evaluate(async () => {
      globalThis.ort = await import('/ort/ort.jspi.min.mjs');
      globalThis.ort.env.wasm.wasmPaths = { mjs: '/ort/ort-wasm-simd-threaded.jspi.mjs', wasm: '/ort/ort-wasm-simd-threaded.jspi.wasm' };
      globalThis.ort.env.wasm.numThreads = 1;
      globalThis.openBundle = (await import('/web/bantam-loader.mjs')).openBundle;
    }),
    load: (page, dtype) => page.evaluate(async ([base, dtype]) => {
      const bundle = await globalThis.openBundle(base);
      const { model, externalData } = await bundle.session(dtype);
      globalThis.session = await globalThis.ort.InferenceSession.create(model, { externalData, executionProviders: ['wasm'] });
    }, [url, dtype]),
  },
};

// Peak of array buffers while a model loads. The wasm heap is none of them.
async function measureBuffers(dtype, { prepare, load }) {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`${url}config.json`);
    await prepare(page);
    const { peak, dumps } = await peakOfBuffers(browser, () => load(page, dtype));
    if (!dumps) throw new Error('no dump names array buffers');
    return { peak, dumps };
  } finally {
    await browser.close();
  }
}

async function measure(dtype) {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.addInitScript(() => {
      // Every memory that a module is given or makes.
      globalThis.memories = [];
      const Memory = WebAssembly.Memory;
      WebAssembly.Memory = new Proxy(Memory, { construct: (target, given) => { const memory = new target(...given); globalThis.memories.push(memory); return memory; } });
      globalThis.heap = () => globalThis.memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
    });
    await page.goto(`${url}config.json`);  // any document with the headers of the server
    await importTransformers(page);
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    // There are several renderers; the page's is the one that grows.
    const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    const residents = new Map(renderers.map((id) => [id, resident(id)]));
    const gpu = processInfo.find(({ type }) => type === 'GPU').id;
    const gpuBefore = resident(gpu);
    for (const id of [...renderers, gpu]) writeFileSync(`/proc/${id}/clear_refs`, '5');
    const begin = performance.now();
    const loaded = await page.evaluate(async ([dtype, device, task]) => {
      globalThis.pipe = await globalThis.lib.pipeline(task, 'bundle', { dtype, device });
      return globalThis.heap();
    }, [dtype, options.device, task]);
    const seconds = (performance.now() - begin) / 1000;
    const renderer = renderers.sort((a, b) => peak(b) - residents.get(b) - peak(a) + residents.get(a))[0];
    const before = residents.get(renderer);
    const afterLoad = peak(renderer);
    const ran = await page.evaluate(async ([tokens, task]) => {
      const { tokenizer, model } = globalThis.pipe;
      const ids = Array.from({ length: tokens }, (_, i) => BigInt(5 + (i % 50)));
      const { Tensor } = globalThis.lib;
      const input_ids = new Tensor('int64', BigInt64Array.from(ids), [1, tokens]);
      const attention_mask = new Tensor('int64', new BigInt64Array(tokens).fill(1n), [1, tokens]);
      if (task === 'text-generation') await model.generate({ input_ids, attention_mask, max_new_tokens: 4 });
      else await model({ input_ids, attention_mask });
      return globalThis.heap();
    }, [Number(options.tokens), task]);
    const agent = await page.evaluate(async () => (crossOriginIsolated && performance.measureUserAgentSpecificMemory ? (await performance.measureUserAgentSpecificMemory()).bytes : 0)).catch(() => 0);
    return { dtype, before, loaded, ran, afterLoad, peak: peak(renderer), gpuBefore, gpu: peak(gpu), agent, seconds };
  } finally {
    await browser.close();
  }
}

const show = (bytes) => (bytes / MiB).toFixed(1).padStart(8);
const rows = [];
if (options.javascript) {
  for (const dtype of dtypes) {
    const variant = forecast.variants.find((each) => each.dtype === dtype);
    for (const [way, loading] of Object.entries(loadings)) {
      const { peak, dumps } = await measureBuffers(dtype, loading);
      const expected = variant.forecast[way === 'loader' ? 'js_streaming_bytes' : 'js_peak_bytes'];
      rows.push({ dtype, way, bytes: variant.bytes, peak, expected, dumps });
      if (!options.json) console.log(`${dtype.padEnd(6)} files ${show(variant.bytes)}  ${way.padEnd(12)} buffers ${show(peak)}  forecast ${show(expected)}  (${dumps} dumps)`);
    }
  }
  dtypes.length = 0;
}
for (const dtype of dtypes) {
  for (let i = 0; i < Number(options.repeat); ++i) {
    const row = await measure(dtype);
    row.bytes = forecast.variants.find((variant) => variant.dtype === dtype).bytes;
    row.forecast = forecast.variants.find((variant) => variant.dtype === dtype).forecast;
    rows.push(row);
    if (!options.json) {
      console.log(`${dtype.padEnd(6)} files ${show(row.bytes)}  wasm loaded ${show(row.loaded)} ran ${show(row.ran)}  tab before ${show(row.before)} load peak ${show(row.afterLoad)} peak ${show(row.peak)}`
                + `  GPU process before ${show(row.gpuBefore)} peak ${show(row.gpu)} forecast ${show(row.forecast?.gpu_bytes ?? 0)}  agent ${show(row.agent)}  ${row.seconds.toFixed(1)} s  ${row.forecast ? `forecast wasm ${show(row.forecast.wasm_heap_bytes)} tab ${show(row.forecast.tab_bytes)}` : ''}`);
    }
  }
}
if (options.json) console.log(JSON.stringify(rows, null, 1));
server.kill('SIGINT');

// Peak memory and time of a page in headless Chromium that opens one variant of a bundle and runs it once.
//
//   node benchmarks/browser.mjs BUNDLE --dtype q4 [--device wasm|webgpu] [--build asyncify|jspi] [--loader] [--runs N]
//                               [--length TOKENS] [--mbit N]
//
// Needs Chromium and the packages of tests/js (scripts/test installs both). Prints JSON; bytes are of the page beyond what
// it needs before it opens the model, with the runtime compiled and started:
//   renderer_bytes  growth of the peak resident memory of the page's process: JS, wasm heap, and files in memory
//   js_bytes        largest sample of the JS heap and its ArrayBuffers without the wasm heap (samples each 10 ms: a lower bound)
//   wasm_bytes      size of the wasm heap at the end, which is its peak
//   gpu_bytes       growth of the peak resident memory of the GPU process: with SwiftShader, the GPU's buffers
// WebGPU is SwiftShader on the CPU: its memory is of this kind, its times mean nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { launch, openPage, serveAll } from '../tests/browser/support/browser.js';
import { readJson, root } from '../tests/js/support/bundles.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dtype: { type: 'string' }, device: { type: 'string', default: 'wasm' }, build: { type: 'string', default: 'asyncify' },
    loader: { type: 'boolean', default: false }, runs: { type: 'string', default: '1' }, length: { type: 'string', default: '16' },
    mbit: { type: 'string', default: '0' }, prepack: { type: 'boolean', default: true }, blobs: { type: 'boolean', default: false },
  },
});
const [bundle] = positionals;
if (!bundle) {
  console.error('usage: node benchmarks/browser.mjs BUNDLE --dtype DTYPE [--device wasm|webgpu] [--build asyncify|jspi] [--loader]');
  process.exit(2);
}
const manifest = readJson(bundle, 'bantam.json');
const dtype = values.dtype ?? manifest.model.default_dtype;
const variant = manifest.variants.find((entry) => entry.dtype === dtype);
if (!variant) {
  console.error(`${bundle} has no ${dtype}; it has ${manifest.variants.map((entry) => entry.dtype).join(', ')}`);
  process.exit(2);
}
const graph = variant.file;
const shards = Array.from({ length: variant.shards }, (_, i) => `${graph}_data${i === 0 ? '' : `_${i}`}`);

const KEEP_MEMORIES = `globalThis.wasmMemories = [];
{
  const Memory = WebAssembly.Memory;
  WebAssembly.Memory = function (descriptor) {
    const memory = new Memory(descriptor);
    globalThis.wasmMemories.push(memory);
    return memory;
  };
  WebAssembly.Memory.prototype = Memory.prototype;
  for (const name of ['instantiate', 'instantiateStreaming']) {  // memories that a module makes by itself
    const before = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const result = await before(...given);
      for (const value of Object.values((result.instance ?? result).exports ?? {})) {
        if (value instanceof Memory && !globalThis.wasmMemories.includes(value)) globalThis.wasmMemories.push(value);
      }
      return result;
    };
  }
}`;

const status = (pid, key) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

async function once() {
  const server = await serveAll({
    bits: Number(values.mbit) * 1e6,
    mounts: { '/bundle/': path.resolve(bundle), '/benchmarks/': path.join(root, 'benchmarks') },
  });
  const browser = await launch();
  try {
    const page = await openPage(browser, server, { runtime: values.build, script: KEEP_MEMORIES });
    const system = await browser.newBrowserCDPSession();
    const inspector = await page.context().newCDPSession(page);
    await page.evaluate(async (job) => (await import('/benchmarks/browser_page.mjs')).warmUp(job), values);
    await inspector.send('HeapProfiler.collectGarbage');
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    const pidOf = (type) => processInfo.filter((p) => p.type === type).map(({ id }) => id).sort((a, b) => status(b, 'VmRSS') - status(a, 'VmRSS'))[0];
    const [renderer, gpu] = [pidOf('renderer'), pidOf('GPU')];
    for (const pid of [renderer, gpu]) writeFileSync(`/proc/${pid}/clear_refs`, '5');  // VmHWM starts again at VmRSS
    const before = { renderer: status(renderer, 'VmRSS'), gpu: status(gpu, 'VmRSS') };
    const heap = async () => {
      const { usedSize, backingStorageSize = 0 } = await inspector.send('Runtime.getHeapUsage');
      return { usedSize, backingStorageSize };
    };
    const start = await heap();
    let running = true;
    let peak = 0;
    const sampling = (async () => {
      while (running) {
        const now = await heap();
        peak = Math.max(peak, now.usedSize + now.backingStorageSize);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })().catch(() => {});  // the page has gone; measure() says why
    const job = { ...values, url: '/bundle/', graph, shards, dtype, length: Number(values.length) };
    const wasmBefore = await page.evaluate(async () => (await import('/benchmarks/browser_page.mjs')).wasmBytes());
    const result = await page.evaluate(async (given) => (await import('/benchmarks/browser_page.mjs')).measure(given), job);
    running = false;
    await sampling;
    return {
      renderer_bytes: status(renderer, 'VmHWM') - before.renderer,
      renderer_before_bytes: before.renderer,
      js_bytes: peak - start.usedSize - start.backingStorageSize,
      wasm_bytes: result.wasm_bytes, wasm_before_bytes: wasmBefore,
      gpu_bytes: status(gpu, 'VmHWM') - before.gpu,
      fetch_ms: Math.round(result.fetch_ms), create_ms: Math.round(result.create_ms), run_ms: Math.round(result.run_ms),
    };
  } finally {
    await browser.close();
    await server.close();
  }
}

const runs = [];
for (let i = 0; i < Number(values.runs); ++i) runs.push(await once());
const download = manifest.files.filter(({ name }) => name === graph || shards.includes(name)).reduce((sum, { bytes }) => sum + bytes, 0);
console.log(JSON.stringify({ bundle: path.basename(bundle), dtype, device: values.device, build: values.build, loader: values.loader, download_bytes: download, runs }, null, 1));

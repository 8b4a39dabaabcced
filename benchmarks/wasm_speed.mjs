// Milliseconds of one run of an encoder's session on onnxruntime-web's wasm, one thread, in Node.
// usage: node benchmarks/wasm_speed.mjs LENGTH FILE.onnx [FILE.onnx ...]   (packages of tests/js)
// Files are run in turn, round by round, so that a machine that slows down slows all of them; a line of JSON per file.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../tests/js/node_modules/onnxruntime-web/dist');
const ort = await import(pathToFileURL(path.join(root, 'ort.wasm.min.mjs')));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = `${pathToFileURL(root)}/`;

const [length, ...files] = process.argv.slice(2);
const tokens = Number(length);
const models = [];
for (const file of files) {
  const folder = path.dirname(file), base = path.basename(file);
  const shards = readdirSync(folder).filter((name) => name.startsWith(`${base}_data`));
  const externalData = shards.map((name) => ({ path: name, data: new Uint8Array(readFileSync(path.join(folder, name))) }));
  const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(file)), { executionProviders: ['wasm'], externalData });
  const filled = (value) => new ort.Tensor('int64', new BigInt64Array(tokens).fill(value), [1, tokens]);
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, filled(name === 'token_type_ids' ? 0n : 1n)]));
  models.push({ file, session, feeds, times: [] });
}
for (let round = 0; round < 24; ++round) {
  for (const { session, feeds, times } of models) {
    const begin = performance.now();
    await session.run(feeds);
    if (round >= 4) times.push(performance.now() - begin);
  }
}
for (const { file, times } of models) {
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ file, median_ms: times[times.length >> 1], least_ms: times[0] }));
}

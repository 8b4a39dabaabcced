// onnxruntime-web's wasm, in the build that transformers.js loads, runs every dtype of every family and head.
// Compared with PyTorch (goldens) and, much closer, with the native onnxruntime on the same files, which
// tests/oracle/bundles.py holds to its own decoding of every weight.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';

import * as native from 'onnxruntime-node';

import { convert, DTYPES, sessionFiles, testdata } from './support/bundles.js';
import { readGoldens } from './support/goldens.js';

setFlagsFromString('--liftoff-only');  // see support/web.js
const web = await import('onnxruntime-web/webgpu');
web.env.wasm.numThreads = 1;

const FAMILIES = ['bert', 'distilbert', 'roberta', 'xlm-roberta', 'mpnet', 'mobilebert', 'electra', 'albert'];
const HEADS = ['feature-extraction', 'fill-mask', 'text-classification-1', 'text-classification-3', 'token-classification',
  'question-answering'];

// How far a dtype may be from PyTorch: about twice the worst that was measured on these random weights, and so good for
// gross errors alone. Closeness is the matter of the other table.
const FROM_PYTORCH = { fp32: 1e-5, fp16: 0.01, q8: 0.1, int8: 0.1, uint8: 0.1, q4: 0.8, q4f16: 0.8 };
// Two builds of one library on the same file. Dynamic INT8 may round one activation to the other side (once in some
// hundred runs, see tests/oracle/bundles.py); half precision is rounded at other edges.
const FROM_NATIVE = { fp32: 1e-5, fp16: 2e-3, q8: 0.05, int8: 0.05, uint8: 0.05, q4: 1e-5, q4f16: 2e-3 };

async function openSession(ort, folder, dtype) {
  const [graph, ...shards] = sessionFiles(folder, dtype).map((file) => path.join(folder, 'onnx', file));
  if (ort === native) return ort.InferenceSession.create(graph, { logSeverityLevel: 3 });
  const externalData = shards.map((file) => ({ path: path.basename(file), data: new Uint8Array(readFileSync(file)) }));
  const options = { executionProviders: ['wasm'], externalData, logSeverityLevel: 3 };
  return ort.InferenceSession.create(new Uint8Array(readFileSync(graph)), options);
}

async function run(ort, session, inputs) {
  const feeds = Object.entries(inputs).map(([name, { data, shape }]) => [name, new ort.Tensor('int64', data, shape)]);
  return session.run(Object.fromEntries(feeds));
}

// The largest difference over all cases, as a share of the largest magnitude of `want`.
function error(got, want) {
  let [difference, scale] = [0, 0];
  want.forEach((values, i) => {
    assert.equal(got[i].length, values.length);
    values.forEach((value, k) => {
      difference = Math.max(difference, Number.isFinite(got[i][k]) ? Math.abs(got[i][k] - value) : Infinity);
      scale = Math.max(scale, Math.abs(value));
    });
  });
  return difference / scale;
}

const LIMIT = { timeout: 120_000 };

for (const family of FAMILIES) {
  test(`${family}: every head in every dtype, as PyTorch and as native onnxruntime`, LIMIT, async (t) => {
    for (const head of HEADS) {
      await t.test(head, LIMIT, () => check(`${family}-${head}`));
    }
  });
}

async function check(fixture) {
  const source = path.join(testdata, 'fixtures', fixture);
  const goldens = readGoldens(path.join(source, 'golden.safetensors'));
  assert.ok(goldens.length > 0);
  const folder = convert(fixture, source);
  for (const dtype of DTYPES) {
    const [wasm, cpu] = await Promise.all([openSession(web, folder, dtype), openSession(native, folder, dtype)]);
    const results = [];
    for (const { inputs } of goldens) results.push([await run(web, wasm, inputs), await run(native, cpu, inputs)]);
    for (const name of Object.keys(goldens[0].outputs)) {
      const ours = results.map(([got]) => got[name].data);
      const pytorch = error(ours, goldens.map(({ outputs }) => outputs[name].data));
      assert.ok(pytorch <= FROM_PYTORCH[dtype], `${dtype}: ${name} is ${pytorch} from PyTorch`);
      const same = error(ours, results.map(([, got]) => got[name].data));
      assert.ok(same <= FROM_NATIVE[dtype], `${dtype}: ${name} is ${same} from native onnxruntime`);
    }
    await wasm.release();
    await cpu.release();
  }
}

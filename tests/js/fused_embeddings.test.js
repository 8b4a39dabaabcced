// The two ways in which quantized embeddings are looked up (docs/quantization.md): by operators that every build of onnxruntime-web
// has, and by GatherBlockQuantized, of which the build that transformers.js 4 loads for wasm has no kernel. If that changes, the
// last test says so, and the default of q4 and q8 can change with it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';

import * as native from 'onnxruntime-node';

import { convert, readJson, sessionFiles, testdata } from './support/bundles.js';

setFlagsFromString('--liftoff-only');  // see support/web.js
const web = await import('onnxruntime-web/webgpu');
web.env.wasm.numThreads = 1;

const source = path.join(testdata, 'fixtures/qwen2-text-generation');
const config = readJson(source, 'config.json');

async function open(ort, folder, dtype) {
  const [graph, ...shards] = sessionFiles(folder, dtype).map((file) => path.join(folder, 'onnx', file));
  if (ort === native) return ort.InferenceSession.create(graph, { logSeverityLevel: 3 });
  const externalData = shards.map((file) => ({ path: path.basename(file), data: new Uint8Array(readFileSync(file)) }));
  const options = { executionProviders: ['wasm'], externalData, logSeverityLevel: 3 };
  return ort.InferenceSession.create(new Uint8Array(readFileSync(graph)), options);
}

// Logits of all of five tokens, with empty caches of that type.
async function logits(ort, session, cache) {
  const tensor = (data, shape) => new ort.Tensor('int64', BigInt64Array.from(data.map(BigInt)), shape);
  const feeds = {
    input_ids: tensor([3, 1, 4, 1, 5], [1, 5]), attention_mask: tensor([1, 1, 1, 1, 1], [1, 5]),
    position_ids: tensor([0, 1, 2, 3, 4], [1, 5]), num_logits_to_keep: tensor([0], []),
  };
  const size = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  for (const name of session.inputNames.filter((input) => input.startsWith('past_key_values'))) {
    const data = cache === 'float16' ? new Uint16Array(0) : new Float32Array(0);
    feeds[name] = new ort.Tensor(cache, data, [1, config.num_key_value_heads, 0, size]);
  }
  return Array.from((await session.run(feeds)).logits.data);
}

const nearly = (got, want, tolerance) => {
  const scale = Math.max(...want.map(Math.abs));
  got.forEach((value, i) => assert.ok(Math.abs(value - want[i]) <= tolerance * scale, `logit ${i}: ${value}, ${want[i]}`));
};

const portable = convert('portable', source, { dtypes: ['fp32', 'q8', 'q4', 'q4f16'], more: ['--embeddings', 'portable'] });
const fused = convert('fused', source, { dtypes: ['q8', 'q4', 'q4f16'], more: ['--embeddings', 'fused'] });

test('both ways give the same logits', async () => {
  const of = async (folder, dtype) => logits(native, await open(native, folder, dtype), 'float32');
  nearly(await of(fused, 'q4'), await of(portable, 'q4'), 1e-5);
  // In q8 the portable table is in the codes of the head, rows of one scale, and the fused one in blocks.
  const exact = await of(portable, 'fp32');
  for (const folder of [portable, fused]) nearly(await of(folder, 'q8'), exact, 0.05);
});

test('what q4 and q8 do by default runs on the wasm that transformers.js loads', async () => {
  const folder = convert('default', source, { dtypes: ['q8', 'q4'] });
  for (const dtype of ['q8', 'q4']) {
    const got = await logits(web, await open(web, folder, dtype), 'float32');
    nearly(got, await logits(native, await open(native, portable, dtype), 'float32'), dtype === 'q8' ? 0.05 : 1e-5);
  }
});

test('q4f16 of a decoder is fused by default, an encoder is not', () => {
  const decoder = convert('decoder', source, { dtypes: ['q4f16'] });
  const encoder = convert('encoder', path.join(testdata, 'fixtures/bert-fill-mask'), { dtypes: ['q4f16'] });
  const graph = (folder) => readFileSync(path.join(folder, 'onnx/model_q4f16.onnx'), 'latin1');
  assert.ok(graph(decoder).includes('GatherBlockQuantized'));
  assert.ok(!graph(encoder).includes('GatherBlockQuantized'));
});

test('that wasm has no GatherBlockQuantized', async () => {
  for (const dtype of ['q4', 'q8']) {
    await assert.rejects(open(web, fused, dtype), /GatherBlockQuantized/,
      'it has one now: q4 and q8 may be fused by default (docs/quantization.md)');
  }
});

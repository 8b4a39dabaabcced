// Bundles of `convert --target tjs3` in transformers.js 3 in Node, with the onnxruntime 1.21 that comes with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { env, pipeline } from 'transformers-3';

import { bundles, DTYPES, readJson } from './support/bundles.js';
import { convertModel, demo, isPresent, models } from './support/cases.js';
import { checkAlone, checkChats, checkTogether, convertDecoder, tiny } from './support/generation.js';
import { checkTask } from './support/tasks.js';

env.localModelPath = `${bundles}/`;
env.allowRemoteModels = false;
// With it version 3 hands paths to the runtime, which finds the shards beside the graph; without it buffers, which have no
// place. Nothing is cached: the models are local.
env.useFSCache = true;
env.cacheDir = `${bundles}/cache`;

const LIMIT = { timeout: 300_000 };
const TARGET = { more: ['--target', 'tjs3'] };

test('this is transformers.js 3', () => assert.equal(env.version, '3.8.1'));

for (const model of [demo, ...models]) {
  if (!isPresent(model)) {
    test(`${model.name} (${model.task})`, { skip: `left out: ${model.folder} is not there` });
    continue;
  }
  test(`${model.name} (${model.task}) answers as PyTorch does in every dtype`, LIMIT, async (t) => {
    convertModel(model, TARGET);
    for (const dtype of DTYPES) {
      await t.test(dtype, LIMIT, async () => {
        const pipe = await pipeline(model.task, model.name, { dtype, device: 'cpu' });
        await checkTask(pipe, model.task, model.cases, model.tolerances[dtype]);
        await pipe.dispose();
      });
    }
  });
}

test('tiny-llama continues texts as PyTorch does in every dtype', LIMIT, async (t) => {
  const folder = convertDecoder(tiny, TARGET);
  assert.deepEqual(readJson(folder, 'config.json')['transformers.js_config'].kv_cache_dtype, { fp16: 'float16', q4f16: 'float16' });
  for (const dtype of DTYPES) {
    await t.test(dtype, LIMIT, async () => {
      const pipe = await pipeline('text-generation', tiny.name, { dtype, device: 'cpu' });
      await checkAlone(pipe, tiny, dtype);
      await checkTogether(pipe, tiny, dtype);
      await checkChats(pipe, tiny);
      await pipe.dispose();
    });
  }
});

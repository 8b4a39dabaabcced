// transformers.js in Node (native onnxruntime, device cpu) loads bundles from a local directory through pipeline().
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { env, pipeline } from '@huggingface/transformers';

import { bundles, DTYPES, sessionFiles } from './support/bundles.js';
import { convertModel, demo, isPresent, models } from './support/cases.js';
import { checkTask } from './support/tasks.js';

env.localModelPath = `${bundles}/`;
env.allowRemoteModels = false;
env.useFSCache = false;

// A missing shard makes transformers.js wait for ever.
const LIMIT = { timeout: 120_000 };

for (const model of [demo, ...models]) {
  if (!isPresent(model)) {
    test(`${model.name} (${model.task})`, { skip: `left out: ${model.folder} is not there` });
    continue;
  }
  test(`${model.name} (${model.task}) answers as PyTorch does in every dtype`, LIMIT, async (t) => {
    const folder = convertModel(model);
    for (const dtype of DTYPES) {
      await t.test(dtype, LIMIT, async () => {
        if (model === demo) assert.ok(sessionFiles(folder, dtype).length > 2, 'several shards');
        const pipe = await pipeline(model.task, model.name, { dtype, device: 'cpu' });
        await checkTask(pipe, model.task, model.cases, model.tolerances[dtype]);
        await pipe.dispose();
      });
    }
  });
}

test('a padded batch in fp32 gives what each text gives alone', LIMIT, async () => {
  convertModel(demo, { dtypes: ['fp32'] });
  const pipe = await pipeline(demo.task, demo.name, { dtype: 'fp32', device: 'cpu' });
  const texts = demo.cases.map(({ text }) => text);
  const answers = await pipe(texts, { top_k: 2 });
  answers.forEach((answer, i) => {
    for (const { label, score } of answer) assert.ok(Math.abs(score - demo.cases[i].scores[label]) < 1e-5, texts[i]);
  });
  await pipe.dispose();
});

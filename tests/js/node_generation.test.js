// Decoders in transformers.js in Node (native onnxruntime, device cpu): greedy text, batches, chats.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { env, pipeline } from '@huggingface/transformers';

import { bundles, DTYPES, sessionFiles } from './support/bundles.js';
import { checkAlone, checkChats, checkTogether, convertDecoder, decoders, tiny } from './support/generation.js';

env.localModelPath = `${bundles}/`;
env.allowRemoteModels = false;
env.useFSCache = false;

const LIMIT = { timeout: 600_000 };

for (const model of decoders) {
  if (!existsSync(model.folder)) {
    test(model.name, { skip: `left out: ${model.folder} is not there; BANTAM_SHARED names the folder with models/` });
    continue;
  }
  test(`${model.name} continues texts as PyTorch does`, LIMIT, async (t) => {
    const folder = convertDecoder(model);
    for (const dtype of DTYPES) {
      await t.test(dtype, LIMIT, async (inner) => {
        if (dtype === 'fp32') assert.ok(sessionFiles(folder, dtype).length > 2, 'several shards');
        const pipe = await pipeline('text-generation', model.name, { dtype, device: 'cpu' });
        // Random stories have few words that must come next.
        const mean = await checkAlone(pipe, model, dtype, model.name.startsWith('tinystories') ? { least: 3 } : {});
        inner.diagnostic(`${mean.toFixed(0)} characters in common`);
        // Dynamic INT8 takes one range over a batch, so that neighbours change the result a little.
        if (model === tiny || dtype === 'fp32') await checkTogether(pipe, model, dtype);
        await checkChats(pipe, model);
        await pipe.dispose();
      });
    }
  });
}

test('graphs of standard operators generate as well', LIMIT, async (t) => {
  convertDecoder(tiny, { name: 'standard', more: ['--ops', 'standard'] });
  for (const dtype of DTYPES) {
    await t.test(dtype, LIMIT, async () => {
      const pipe = await pipeline('text-generation', 'standard', { dtype, device: 'cpu' });
      await checkAlone(pipe, tiny, dtype);
      await checkTogether(pipe, tiny, dtype);
      await pipe.dispose();
    });
  }
});

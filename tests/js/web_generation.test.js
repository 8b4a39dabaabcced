// Decoders in the web build of transformers.js, as a browser runs it on device wasm: bundles over HTTP in several shards.
// What is fetched, the caches' types and shapes and the default dtype come from config.json and the graph alone.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { DTYPES, readJson, sessionFiles } from './support/bundles.js';
import { checkAlone, checkChats, checkTogether, convertDecoder, tiny } from './support/generation.js';
import { openPage } from './support/web.js';

const { transformers, server } = await openPage();
after(() => server.close());

const LIMIT = { timeout: 300_000 };

async function load(name, folder, options, dtype) {
  server.taken('');
  const pipe = await transformers.pipeline('text-generation', name, options);
  const { files, failed } = server.taken(`${name}/onnx/`);
  assert.deepEqual(files, sessionFiles(folder, dtype).toSorted());
  assert.deepEqual(failed, []);
  return pipe;
}

for (const ops of ['fused', 'standard']) {
  test(`tiny-llama with ${ops} operators continues texts as PyTorch does`, LIMIT, async (t) => {
    // q4f16 has embeddings of GatherBlockQuantized, for WebGPU; wasm has none (fused_embeddings.test.js).
    const folder = convertDecoder(tiny, { name: ops, more: ['--ops', ops, '--embeddings', 'portable'] });
    for (const dtype of DTYPES) {
      await t.test(dtype, LIMIT, async () => {
        const pipe = await load(ops, folder, { dtype, device: 'wasm' }, dtype);
        await checkAlone(pipe, tiny, dtype);
        await checkTogether(pipe, tiny, dtype);
        await pipe.dispose();
      });
    }
  });
}

test('without any option it takes what transformers.js_config says', LIMIT, async () => {
  const folder = convertDecoder(tiny);
  assert.ok(sessionFiles(folder, 'q8').length > 2, 'several shards');
  assert.equal(readJson(folder, 'config.json')['transformers.js_config'].dtype, 'q8');
  const pipe = await load(tiny.name, folder, {}, 'q8');
  await checkAlone(pipe, tiny, 'q8');
  await checkChats(pipe, tiny);
  await pipe.dispose();
});

// Bundles of `convert --target tjs3` in the web build of transformers.js 3, on the wasm of its onnxruntime-web 1.22.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { DTYPES, sessionFiles } from './support/bundles.js';
import { convertModel, demo } from './support/cases.js';
import { checkAlone, checkTogether, convertDecoder, tiny } from './support/generation.js';
import { checkTask } from './support/tasks.js';
import { openPage } from './support/web.js';

const { transformers, server } = await openPage({ version: 3 });
after(() => server.close());

const LIMIT = { timeout: 300_000 };

async function load(task, name, folder, options, dtype) {
  server.taken('');
  const pipe = await transformers.pipeline(task, name, options);
  const { files, failed } = server.taken(`${name}/onnx/`);
  assert.deepEqual(files, sessionFiles(folder, dtype).toSorted());
  assert.deepEqual(failed, []);
  return pipe;
}

for (const ops of ['fused', 'standard']) {
  const more = ['--target', 'tjs3', '--ops', ops];
  test(`the demo model with ${ops} operators answers as PyTorch does`, LIMIT, async (t) => {
    const name = `demo-${ops}`;
    const folder = convertModel({ ...demo, name }, { more });
    for (const dtype of DTYPES) {
      await t.test(dtype, LIMIT, async () => {
        const pipe = await load(demo.task, name, folder, { dtype, device: 'wasm' }, dtype);
        await checkTask(pipe, demo.task, demo.cases.slice(0, 20), demo.tolerances[dtype]);
        await pipe.dispose();
      });
    }
  });
  test(`tiny-llama with ${ops} operators continues texts as PyTorch does`, LIMIT, async (t) => {
    const name = `tiny-${ops}`;
    const folder = convertDecoder(tiny, { name, more });
    for (const dtype of DTYPES) {
      await t.test(dtype, LIMIT, async () => {
        const pipe = await load('text-generation', name, folder, { dtype, device: 'wasm' }, dtype);
        await checkAlone(pipe, tiny, dtype);
        await checkTogether(pipe, tiny, dtype);
        await pipe.dispose();
      });
    }
    const pipe = await load('text-generation', name, folder, {}, 'q8');
    await checkAlone(pipe, tiny, 'q8');
    await pipe.dispose();
  });
}

test('without --target tjs3 it is refused there', LIMIT, async () => {
  convertDecoder(tiny, { name: 'newer', dtypes: ['q4'] });
  await assert.rejects(transformers.pipeline('text-generation', 'newer', { dtype: 'q4', device: 'wasm' }));
});

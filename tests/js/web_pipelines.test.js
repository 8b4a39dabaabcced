// The web build of transformers.js, as a browser runs it on device wasm: bundles over HTTP, several shards.
// Unlike Node's cpu device it reads use_external_data_format, and it gets nothing that config.json does not name.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { DTYPES, readJson, sessionFiles } from './support/bundles.js';
import { convertModel, demo, isPresent, models } from './support/cases.js';
import { checkTask } from './support/tasks.js';
import { openPage } from './support/web.js';

const { transformers, server } = await openPage();
after(() => server.close());

const LIMIT = { timeout: 240_000 };
const DEVICE_DTYPES = ['fp32', 'q8'];  // what is picked on WebGPU and wasm; the demo model goes through all

async function checkOnWasm(model, folder, options, dtype) {
  server.taken('');
  const pipe = await transformers.pipeline(model.task, model.name, options);
  const { files, failed } = server.taken(`${model.name}/onnx/`);
  assert.deepEqual(files, sessionFiles(folder, dtype).toSorted());
  assert.deepEqual(failed, []);
  await checkTask(pipe, model.task, model.cases, model.tolerances[dtype]);
  await pipe.dispose();
}

test('the demo model answers as PyTorch does', LIMIT, async (t) => {
  const folder = convertModel(demo);
  for (const dtype of DTYPES) {
    await t.test(dtype, LIMIT, async () => {
      assert.ok(sessionFiles(folder, dtype).length > 2, 'several shards');
      await checkOnWasm(demo, folder, { dtype, device: 'wasm' }, dtype);
    });
  }
  await t.test('without any option it takes what transformers.js_config says', LIMIT, async () => {
    assert.equal(readJson(folder, 'config.json')['transformers.js_config'].dtype, 'q8');
    await checkOnWasm(demo, folder, {}, 'q8');
  });
});

for (const model of models) {
  if (!isPresent(model)) {
    test(`${model.name} (${model.task})`, { skip: `left out: ${model.folder} is not there` });
    continue;
  }
  test(`${model.name} (${model.task}) answers as PyTorch does`, LIMIT, async (t) => {
    const folder = convertModel(model, { dtypes: DEVICE_DTYPES });
    for (const dtype of DEVICE_DTYPES) {
      await t.test(dtype, LIMIT, () => checkOnWasm(model, folder, { dtype, device: 'wasm' }, dtype));
    }
  });
}

test('a wrong shard count in config.json does not go unnoticed by these tests', LIMIT, async () => {
  const folder = convertModel(demo, { dtypes: ['fp32'] });
  const config = readJson(folder, 'config.json');
  config['transformers.js_config'].use_external_data_format['model.onnx'] -= 1;
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  await assert.rejects(transformers.pipeline(demo.task, demo.name, { dtype: 'fp32', device: 'wasm' }));
});

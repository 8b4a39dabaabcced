// Which files the web build of transformers.js asks for, by device and by what the bundle holds. There is no GPU here:
// sessions for WebGPU fail after everything is fetched, and what was fetched is the point.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { sessionFiles } from './support/bundles.js';
import { convertModel, demo } from './support/cases.js';
import { openPage } from './support/web.js';

const { transformers, server } = await openPage({ gpu: true });
after(() => server.close());

const LIMIT = { timeout: 120_000 };

async function fetched(name, options) {
  server.taken('');
  const loading = transformers.AutoModelForSequenceClassification.from_pretrained(name, options);
  if (options.device === 'webgpu') {
    await assert.rejects(loading, /adapter/i);
  } else {
    await (await loading).dispose();
  }
  const { files, failed } = server.taken(`${name}/onnx/`);
  assert.deepEqual(failed, []);
  return files;
}

const CASES = [  // dtypes of the bundle, what wasm takes, what WebGPU takes
  [['fp32', 'fp16', 'q8', 'q4', 'q4f16'], 'q8', 'fp32'],  // convert's default list
  [['fp16', 'q4', 'q4f16', 'uint8'], 'uint8', 'q4'],
  [['q4f16'], 'q4f16', 'q4f16'],
  [['fp32'], 'fp32', 'fp32'],
];

for (const [dtypes, wasm, webgpu] of CASES) {
  test(`a bundle of ${dtypes.join(', ')}: ${wasm} on wasm, ${webgpu} on WebGPU`, LIMIT, async () => {
    const name = dtypes.join('-');
    const folder = convertModel({ ...demo, name }, { dtypes });
    const expected = (dtype) => sessionFiles(folder, dtype).toSorted();
    assert.ok(expected(wasm).length > 2, 'several shards');
    assert.deepEqual(await fetched(name, { device: 'webgpu' }), expected(webgpu));
    assert.deepEqual(await fetched(name, { device: 'webgpu', dtype: 'auto' }), expected(webgpu));
    assert.deepEqual(await fetched(name, { device: 'wasm' }), expected(wasm));
    assert.deepEqual(await fetched(name, { device: 'wasm', dtype: 'auto' }), expected(wasm));
    assert.deepEqual(await fetched(name, {}), expected(wasm));
  });
}

test('WebGPU without shader-f16 is refused fp16 before anything is fetched', LIMIT, async () => {
  convertModel({ ...demo, name: 'half' }, { dtypes: ['fp16', 'q4f16'] });
  server.taken('');
  const loading = transformers.AutoModelForSequenceClassification.from_pretrained('half', { device: 'webgpu' });
  await assert.rejects(loading, /does not support fp16/);
  assert.deepEqual(server.taken('half/onnx/').files, []);
});

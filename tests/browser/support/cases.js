// The bundles that are run in the browser, and what is fed to them.
import { existsSync } from 'node:fs';
import path from 'node:path';

import { convert, shared, testdata } from '../../js/support/bundles.js';
import { readGoldens } from '../../js/support/goldens.js';

const fixture = (name) => path.join(testdata, 'fixtures', name);

// Inputs as the other side of a page takes them: {type, dims, data: number[]}.
const plain = ({ data, shape }) =>
  ({ type: data instanceof BigInt64Array ? 'int64' : 'float32', dims: shape, data: Array.from(data, Number) });
// The feeds of a fixture, and for each output which values mean something: PyTorch's are NaN where a row of the batch is
// padding, and so no two runtimes need to agree there.
function fromGoldens(name) {
  const goldens = readGoldens(path.join(fixture(name), 'golden.safetensors'));
  const mapped = (tensors, f) => Object.fromEntries(Object.entries(tensors).map(([key, value]) => [key, f(value)]));
  return {
    name, source: fixture(name),
    feeds: goldens.map(({ inputs }) => mapped(inputs, plain)),
    known: goldens.map(({ outputs }) => mapped(outputs, ({ data }) => Array.from(data, (value) => !Number.isNaN(value)))),
  };
}

const ints = (dims, data) => ({ type: 'int64', dims, data });

function sentences() {
  const rows = [[2, 41, 1207, 388, 3], [2, 77, 5, 612, 4031, 99, 260, 3], [2, 3]];
  return rows.map((ids) => ({
    input_ids: ints([1, ids.length], ids),
    attention_mask: ints([1, ids.length], ids.map(() => 1)),
    token_type_ids: ints([1, ids.length], ids.map(() => 0)),
  }));
}

// The first call has no past; the second continues from one that is made of small numbers, so that no model is needed to
// know what it is.
function tokens({ vocabulary, layers, heads, size }) {
  const cache = (past) => Object.fromEntries(Array.from({ length: layers }, (_, layer) => ['key', 'value'].map((kind) => [
    `past_key_values.${layer}.${kind}`,
    { type: 'float32', dims: [1, heads, past, size], data: Array.from({ length: heads * past * size }, (__, i) => Math.sin(i + layer)) },
  ])).flat());
  const call = (past, ids) => ({
    input_ids: ints([1, ids.length], ids),
    attention_mask: ints([1, past + ids.length], Array.from({ length: past + ids.length }, () => 1)),
    position_ids: ints([1, ids.length], ids.map((_, i) => past + i)),
    num_logits_to_keep: ints([], [0]),
    ...cache(past),
  });
  const id = (i) => (i * 7919 + 5) % vocabulary;
  return [call(0, [1, 2, 3, 4, 5, 6].map(id)), call(5, [7].map(id)), call(4, [8, 9].map(id))];
}

const demo = path.join(testdata, 'sst2-bert-tiny');
const inShared = (name) => path.join(shared, 'models', name);

// `webgpu`: the variants that are tried there (default: all). Compiling a graph's kernels for SwiftShader takes some 5 s, so
// it is one of each kind; trained decoders run there in pipelines.test.js.
export const encoders = [
  { name: 'sst2-bert-tiny', source: demo, feeds: sentences(), shardSize: '512KiB' },
  { ...fromGoldens('bert-feature-extraction'), webgpu: [] },
  { ...fromGoldens('mpnet-fill-mask'), webgpu: ['q4'] },
];
export const decoders = [
  { ...fromGoldens('llama-text-generation'), webgpu: ['fp32'] },
  { ...fromGoldens('qwen3-text-generation'), webgpu: [] },
  { ...fromGoldens('gemma3_text-text-generation'), webgpu: ['q4'] },
  { ...fromGoldens('phi3-text-generation'), webgpu: [] },
  { ...fromGoldens('gpt2-text-generation'), webgpu: ['q4'] },
  {
    name: 'tinystories-656k', source: inShared('tinystories-656k'), shardSize: '512KiB', webgpu: [],
    feeds: tokens({ vocabulary: 2048, layers: 2, heads: 4, size: 16 }),
  },
];
export const isPresent = ({ source }) => existsSync(source);
export const convertCase = ({ name, source, shardSize = '64KiB' }, options) => convert(name, source, { shardSize, ...options });

// Reads golden.safetensors of a fixture: a list of {inputs, outputs, distances} by name (testdata/fixtures/README.md).
import { readFileSync } from 'node:fs';

const ARRAYS = { F32: Float32Array, I64: BigInt64Array };

export function readGoldens(file) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  const metadata = header.__metadata__;
  const cases = [];
  delete header.__metadata__;
  for (const [key, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    if (!key.startsWith('case')) continue;  // a decoder's greedy.tokens
    const number = key.split('.', 1)[0];  // case0.input.past_key_values.0.key
    const [, kind, name] = /^\w+\.(\w+)\.(.+)$/.exec(key);
    const data = new ARRAYS[dtype](bytes.buffer.slice(bytes.byteOffset + start + begin, bytes.byteOffset + start + end));
    const golden = (cases[Number(number.slice('case'.length))] ??= { inputs: {}, outputs: {}, distances: {} });
    golden[`${kind}s`][name] = { data, shape };
    if (kind === 'output') golden.distances[name] = Number(metadata[`${number}.fp64_distance.${name}`]);
  }
  return cases;
}

// The tokens that PyTorch generates greedily for a fixture's decoder (testdata/fixtures/README.md): rows of a padded batch.
import { readFileSync } from 'node:fs';

export function readGreedy(file) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  const rows = (name) => {
    const { shape: [count, width], data_offsets: [begin, end] } = header[`greedy.${name}`];
    const flat = Array.from(new BigInt64Array(bytes.buffer.slice(bytes.byteOffset + start + begin, bytes.byteOffset + start + end)), Number);
    return Array.from({ length: count }, (_, i) => flat.slice(i * width, (i + 1) * width));
  };
  return { ids: rows('input_ids'), mask: rows('attention_mask'), tokens: rows('tokens') };
}

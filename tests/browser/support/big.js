// A bundle of more than 64 MB whose weights are noise, and a second version of it that differs in one shard.
import { execFileSync } from 'node:child_process';
import { copyFileSync, openSync, readSync, writeSync, closeSync, statSync } from 'node:fs';
import path from 'node:path';

import { bundles, convert, readJson, root, testdata } from '../../js/support/bundles.js';

const python = process.env.BANTAM_PYTHON || path.join(root, '.venv/bin/python');

export function makeBig() {
  const source = path.join(bundles, '.big-source');
  execFileSync(python, ['-B', path.join(root, 'benchmarks/synthetic.py'), source, '--parameters', '17e6', '--hidden', '256']);
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(path.join(testdata, 'sst2-bert-tiny', file), path.join(source, file));
  }
  const options = { dtypes: ['fp32', 'q4'], shardSize: '8MiB' };
  const first = convert('big', source, options);
  // The classifier is the last tensor of the checkpoint, and of the last shard.
  const weights = path.join(source, 'model.safetensors');
  const file = openSync(weights, 'r+');
  const end = Buffer.alloc(4);
  const place = statSync(weights).size - 40;
  readSync(file, end, 0, 4, place);
  end.writeFloatLE(end.readFloatLE() + 0.25);
  writeSync(file, end, 0, 4, place);
  closeSync(file);
  const second = convert('big-updated', source, options);
  return { first, second };
}

// {name: {bytes, sha256}} of a variant, as the manifest of a bundle says.
export function manifestFiles(folder, dtype) {
  const manifest = readJson(folder, 'bantam.json');
  const { file } = manifest.variants.find((variant) => variant.dtype === dtype);
  return Object.fromEntries(manifest.files.filter(({ name }) => name === file || name.startsWith(`${file}_data`) && !/\.(gz|zst)$/.test(name))
    .map(({ name, bytes, sha256 }) => [name, { bytes, sha256 }]));
}

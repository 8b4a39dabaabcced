// Where things are, and bundles made by the binary under test in a temporary folder that goes with the process.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const testdata = path.join(root, 'testdata');
export const packages = path.join(root, 'tests/js/node_modules');
export const shared = process.env.BANTAM_SHARED || path.join(root, '../shared');

// The dtypes of transformers.js and how their session files end, as its documentation has them.
export const SUFFIXES = {
  fp32: '', fp16: '_fp16', q8: '_quantized', int8: '_int8', uint8: '_uint8', q4: '_q4', q4f16: '_q4f16',
};
export const DTYPES = Object.keys(SUFFIXES);

export const bantam = [
  process.env.BANTAM,
  path.join(root, 'build/release/apps/bantam/bantam'),
  path.join(root, 'build/apps/bantam/bantam'),
].find((file) => file && existsSync(file));

// All bundles are folders of `bundles`, which is what transformers.js calls a local model path.
export const bundles = mkdtempSync(path.join(tmpdir(), 'bantam-js-'));
process.on('exit', () => rmSync(bundles, { recursive: true, force: true }));

// Converts `source` to a bundle named `name` and returns its folder. `more`: further options.
export function convert(name, source, { dtypes = DTYPES, shardSize = '32MiB', more = [] } = {}) {
  if (!bantam) throw new Error('no bantam binary: build it, or set BANTAM to its path');
  const folder = path.join(bundles, name);
  const options = ['--dtype', dtypes.join(','), '--shard-size', shardSize, '--threads', '1', '--quiet', '--force', ...more];
  execFileSync(bantam, ['convert', source, '-o', folder, ...options], { stdio: ['ignore', 'ignore', 'inherit'] });
  return folder;
}

export const readJson = (...parts) => JSON.parse(readFileSync(path.join(...parts), 'utf8'));

// The files of a dtype's session, as config.json promises them to transformers.js.
export function sessionFiles(folder, dtype) {
  const graph = `model${SUFFIXES[dtype]}.onnx`;
  const shards = readJson(folder, 'config.json')['transformers.js_config'].use_external_data_format[graph];
  const names = Array.from({ length: shards }, (_, i) => `${graph}_data${i === 0 ? '' : `_${i}`}`);
  return [graph, ...names];
}

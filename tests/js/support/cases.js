// The bundles that pipelines are tried on, their goldens, and how far a dtype may be from them.
import { existsSync } from 'node:fs';
import path from 'node:path';

import { convert, readJson, shared, testdata } from './bundles.js';

// Largest difference of a probability (feature extraction: of 1 - cosine) to fp32 PyTorch. `fp32` is what the order of
// float32 additions may move. The others are about twice the worst that was measured (8.4e-3 for q8, 3.0e-2 for q4 on
// the demo model, on a sentence of unknown words): they tell a working file from a broken one. That its numbers are the right ones is proven by
// tests/oracle/bundles.py, which knows every weight.
const byWidth = (half, eight, four) => ({
  fp32: 1e-5, fp16: half, q8: eight, int8: eight, uint8: eight, q4: four, q4f16: four,
});
const TRAINED = byWidth(2e-3, 0.02, 0.06);
const RANDOM = byWidth(2e-3, 0.05, 0.25);  // tiny random weights, of which no two cancel an error
const COSINE = byWidth(1e-5, 1e-4, 1e-3);

const demoCases = readJson(testdata, 'sst2-bert-tiny-golden.json').cases;
export const demo = {
  name: 'sst2-bert-tiny',
  folder: path.join(testdata, 'sst2-bert-tiny'),
  task: 'text-classification',
  cases: demoCases,
  tolerances: TRAINED,
};

const fromGolden = ({ source, task, cases }) => ({
  name: path.basename(source),
  folder: source.startsWith('shared/') ? path.join(shared, source.slice('shared/'.length)) : path.join(testdata, source),
  task,
  cases,
  tolerances: task === 'feature-extraction' ? COSINE : RANDOM,
});
export const models = readJson(testdata, 'pipelines-golden.json').tasks.map(fromGolden);

// Models of BANTAM_SHARED may be absent; whoever leaves one out says so.
export const isPresent = ({ folder }) => existsSync(folder);

// In several shards, where there is more than the 64 KiB of the smallest one.
export const convertModel = ({ name, folder }, options) => {
  const shardSize = folder.includes('fixtures') ? '64KiB' : '512KiB';
  return convert(name, folder, { shardSize, ...options });
};

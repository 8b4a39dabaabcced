import assert from 'node:assert/strict';

// The largest difference of two lists of numbers as a share of the largest magnitude of `want`; NaN never passes.
export function distance(got, want) {
  assert.equal(got.length, want.length);
  let [difference, scale] = [0, 0];
  for (let i = 0; i < want.length; ++i) {
    const d = Math.abs(got[i] - want[i]);
    if (!(d <= difference)) difference = Number.isNaN(d) ? Infinity : d;
    scale = Math.max(scale, Math.abs(want[i]));
  }
  return scale === 0 ? difference : difference / scale;
}

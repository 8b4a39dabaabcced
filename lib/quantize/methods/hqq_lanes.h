#pragma once

#include "quantize/methods/lane_rows.h"

// For methods.isa.cc: half-quadratic quantization, block by block.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr int kHqqSteps = 20;
constexpr float kHqqBeta = 10.0f;
constexpr float kHqqKappa = 1.01f;

// x^exponent for x > 0, to about 1e-6: 2^(exponent log2 x), log2 of the mantissa m in [sqrt 1/2, sqrt 2) by
// the series of atanh((m - 1) / (m + 1)), the power of 2 by that of exp.
inline FloatLanes power(FloatLanes x, float exponent) {
  const IntLanes shifted = bits_of(x) - 0x3f3504f3;  // of sqrt 1/2
  const IntLanes whole = shifted >> 23;
  const FloatLanes m = float_of(bits_of(x) - (whole << 23));
  const FloatLanes t = (m - 1.0f) / (m + 1.0f), t2 = t * t;
  const FloatLanes series =
      t * (1.0f + t2 * (0.33333334f + t2 * (0.2f + t2 * (0.14285715f + t2 * 0.11111111f))));
  const FloatLanes log2 = __builtin_convertvector(whole, FloatLanes) + series * 2.8853900f;
  const FloatLanes y = log2 * exponent, n = round_to_even(y);
  const FloatLanes f = (y - n) * 0.69314718f;
  const FloatLanes e =
      1.0f + f * (1.0f + f * (0.5f + f * (0.16666667f +
                                          f * (0.041666667f + f * (0.0083333333f + f * 0.0013888889f)))));
  return float_of(bits_of(e) + (round_to_int(n) << 23));
}

constexpr float kHqqNorm = 0.7f;

// The proximal step of |x|^0.7: sign(x) max(0, |x| - |x|^(0.7 - 1) / beta).
inline FloatLanes shrink(FloatLanes x, float beta) {
  const FloatLanes size = larger(magnitude(x), broadcast(0x1p-60f));
  const FloatLanes left = size - power(size, kHqqNorm - 1.0f) / beta;
  return with_sign(larger(left, FloatLanes{}), x);
}

// Sum of |value - decoded|^0.7 with the grid's nearest codes.
inline FloatLanes hqq_error(const FloatLanes* values, int size, const Grid& grid) {
  const FloatLanes inverse = 1.0f / grid.scale;
  FloatLanes sum = {};
  for (int k = 0; k < size; ++k) {
    const FloatLanes code = code_of(values[k], inverse, grid.lowest, grid.highest);
    sum += power(larger(magnitude(values[k] - code * grid.scale), broadcast(0x1p-60f)), kHqqNorm);
  }
  return sum;
}

struct HqqBest {
  Grid grid;
  FloatLanes error;
};

inline void try_hqq(const FloatLanes* values, int size, const Grid& grid, HqqBest& best) {
  const FloatLanes error = hqq_error(values, size, grid);
  const IntLanes better = error < best.error;
  best.grid.scale = select(better, grid.scale, best.grid.scale);
  best.grid.lowest = select(better, grid.lowest, best.grid.lowest);
  best.grid.highest = select(better, grid.highest, best.grid.highest);
  best.error = select(better, error, best.error);
}

// The least-squares scale for the codes of `grid`.
inline FloatLanes refit_scale(const FloatLanes* values, int size, const Grid& grid) {
  const FloatLanes inverse = 1.0f / grid.scale;
  FloatLanes product = {}, squares = {};
  for (int k = 0; k < size; ++k) {
    const FloatLanes code = code_of(values[k], inverse, grid.lowest, grid.highest);
    product += values[k] * code;
    squares += code * code;
  }
  return usable_scale(product / larger(squares, broadcast(1.0f)));
}

// The paper's iteration over the zero point, in units of codes and relative to values that the block's scale
// has divided; the scale stays.
inline Grid hqq_asymmetric(const FloatLanes* values, int size, int bits, const Range& range) {
  const float top = static_cast<float>((1 << bits) - 1);
  const Grid plain = plain_asymmetric(range, bits);
  const FloatLanes inverse = 1.0f / plain.scale, scale = plain.scale;
  FloatLanes zero = -plain.lowest;
  HqqBest best = {plain, hqq_error(values, size, plain)};
  float beta = kHqqBeta;
  for (int step = 0; step < kHqqSteps; ++step, beta *= kHqqKappa) {
    FloatLanes sum = {};
    for (int k = 0; k < size; ++k) {
      const FloatLanes scaled = values[k] * inverse;
      const FloatLanes code = round_to_even(smaller(larger(scaled + zero, FloatLanes{}), broadcast(top)));
      const FloatLanes outlier = shrink(values[k] - (code - zero) * scale, beta);
      sum += code - (values[k] - outlier) * inverse;
    }
    zero = sum * (1.0f / static_cast<float>(size));
    const FloatLanes whole = round_to_even(smaller(larger(zero, FloatLanes{}), broadcast(top)));
    try_hqq(values, size, {scale, -whole, top - whole}, best);
  }
  Grid refitted = best.grid;
  refitted.scale = refit_scale(values, size, best.grid);
  try_hqq(values, size, refitted, best);
  return best.grid;
}

// Without a zero point the same splitting is solved for the scale: least squares on what is not an outlier.
inline Grid hqq_symmetric(const FloatLanes* values, int size, int bits, const Range& range) {
  Grid grid = plain_symmetric(range, bits);
  HqqBest best = {grid, hqq_error(values, size, grid)};
  float beta = kHqqBeta;
  for (int step = 0; step < kHqqSteps; ++step, beta *= kHqqKappa) {
    const FloatLanes inverse = 1.0f / grid.scale;
    FloatLanes product = {}, squares = {};
    for (int k = 0; k < size; ++k) {
      const FloatLanes code = code_of(values[k], inverse, grid.lowest, grid.highest);
      const FloatLanes outlier = shrink(values[k] - code * grid.scale, beta);
      product += (values[k] - outlier) * code;
      squares += code * code;
    }
    grid.scale = usable_scale(product / larger(squares, broadcast(1.0f)));
    try_hqq(values, size, grid, best);
  }
  return best.grid;
}

void quantize_hqq(const MethodTask& task) {
  auto* values = reinterpret_cast<FloatLanes*>(task.scratch);
  FloatLanes* codes = values + padded_columns(task.width);
  for (std::int64_t first = 0; first < task.row_count; first += kLanes) {
    load_rows(task, first, values);
    for (std::int64_t begin = 0; begin < task.width; begin += task.block_size) {
      const std::int64_t end = block_end(task, begin);
      // Columns past the end are zeros, which every grid holds; they must not pull the mean.
      const int size = static_cast<int>((end < task.width ? end : task.width) - begin);
      const Range range = range_of(values + begin, size);
      Grid grid = task.symmetric ? hqq_symmetric(values + begin, size, task.bits, range)
                                 : hqq_asymmetric(values + begin, size, task.bits, range);
      settle_zeros(range, grid);
      const FloatLanes inverse = 1.0f / grid.scale;
      for (std::int64_t k = begin; k < end; ++k) {
        codes[k - begin] = code_of(values[k], inverse, grid.lowest, grid.highest);
      }
      store_block(task, first, begin, end, codes, grid);
    }
  }
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

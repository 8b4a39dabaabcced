#pragma once

#include "quantize/methods/lane_rows.h"

// For methods.isa.cc: the grid of a block that leaves the smallest weighted squared error, of those tried.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

struct WeightedFit {
  FloatLanes product;  // of weight, value and code
  FloatLanes squares;  // of the codes, weighted
  FloatLanes error;    // squared, of the decoded values, weighted
};

inline WeightedFit weighted_fit(const FloatLanes* values, const float* weights, int size, const Grid& grid) {
  WeightedFit sums = {FloatLanes{}, FloatLanes{}, FloatLanes{}};
  const FloatLanes inverse = 1.0f / grid.scale;
  for (int k = 0; k < size; ++k) {
    const FloatLanes code = code_of(values[k], inverse, grid.lowest, grid.highest);
    const FloatLanes difference = values[k] - code * grid.scale;
    sums.product += values[k] * code * weights[k];
    sums.squares += code * code * weights[k];
    sums.error += difference * difference * weights[k];
  }
  return sums;
}

struct WeightedBest {
  Grid grid;
  FloatLanes error;
  FloatLanes refit;  // the least-squares scale for the codes of the grid that was tried last
};

inline void try_weighted(const FloatLanes* values, const float* weights, int size, const Grid& grid,
                         WeightedBest& best) {
  const WeightedFit sums = weighted_fit(values, weights, size, grid);
  const IntLanes better = sums.error < best.error;
  best.grid.scale = select(better, grid.scale, best.grid.scale);
  best.grid.lowest = select(better, grid.lowest, best.grid.lowest);
  best.grid.highest = select(better, grid.highest, best.grid.highest);
  best.error = select(better, sums.error, best.error);
  best.refit = sums.product / larger(sums.squares, broadcast(0x1p-60f));
}

// Keeps the grid whose codes, with their least-squares scale, leave the smallest weighted error, that is the
// largest product^2 / squares.
struct WeightedContest {
  FloatLanes score = broadcast(-1.0f);
  Grid winner = {};
};

inline void enter_weighted(const FloatLanes* values, const float* weights, int size, FloatLanes inverse,
                           FloatLanes lowest, FloatLanes highest, WeightedContest& contest) {
  FloatLanes product = {}, squares = {};
  for (int k = 0; k < size; ++k) {
    const FloatLanes code = code_of(values[k], inverse, lowest, highest);
    product += values[k] * code * weights[k];
    squares += code * code * weights[k];
  }
  const FloatLanes scale = product / larger(squares, broadcast(0x1p-60f));
  const FloatLanes score = product * scale;
  const IntLanes better = score > contest.score;
  contest.score = select(better, score, contest.score);
  contest.winner.scale = select(better, scale, contest.winner.scale);
  contest.winner.lowest = select(better, lowest, contest.winner.lowest);
  contest.winner.highest = select(better, highest, contest.winner.highest);
}

// Where the codes' extreme lands, or how wide the range becomes, relative to the plain grid: as in
// codecs/codec.isa.cc for four bits; with eight the winner is sixteen times nearer.
inline Grid search_symmetric(const FloatLanes* values, const float* weights, int size, int bits,
                             const Range& range) {
  constexpr float kSteps[] = {-0.925f, -0.97f, -1.015f, -1.06f, -1.105f, -1.15f,
                              0.85f,   0.9f,   0.95f,   1.0f,   1.05f,   1.1f};
  const float half = static_cast<float>(1 << (bits - 1)), narrow = bits == 8 ? 0.0625f : 1.0f;
  const FloatLanes per_step = half / extreme_of(range);
  WeightedContest contest;
  for (const float step : kSteps) {
    const float centre = step < 0 ? -1.0f : 1.0f;
    const float near = centre + (step - centre) * narrow;
    enter_weighted(values, weights, size, per_step * near, broadcast(-half), broadcast(half - 1), contest);
  }
  return contest.winner;
}

inline Grid search_asymmetric(const FloatLanes* values, const float* weights, int size, int bits,
                              const Range& range) {
  constexpr float kSteps[] = {0.853f, 0.88f, 0.907f, 0.933f, 0.96f, 0.987f,
                              1.013f, 1.04f, 1.067f, 1.093f, 1.12f, 1.147f};
  const float top = static_cast<float>((1 << bits) - 1), narrow = bits == 8 ? 0.0625f : 1.0f;
  const FloatLanes zero = {};
  const FloatLanes lowest = smaller(range.lowest, zero), highest = larger(range.highest, zero);
  const FloatLanes per_step = top / larger(highest - lowest, broadcast(0x1p-30f));
  WeightedContest contest;
  for (const float step : kSteps) {
    const FloatLanes inverse = per_step * (1.0f + (step - 1.0f) * narrow);
    // The middle of the range goes to the middle of the codes: what is cut is cut on both sides alike.
    const FloatLanes middle = (top - (lowest + highest) * inverse) * 0.5f;
    const FloatLanes zero_point = round_to_even(smaller(larger(middle, zero), broadcast(top)));
    enter_weighted(values, weights, size, inverse, -zero_point, top - zero_point, contest);
  }
  return contest.winner;
}

// The best of the plain grids, the search's and its refit, by exact weighted error.
inline Grid choose_weighted(const FloatLanes* values, const float* weights, int size, int bits,
                            bool symmetric) {
  const Range range = range_of(values, size);
  WeightedBest best = {plain_symmetric(range, bits), broadcast(0x1.fffffep127f), {}};
  try_weighted(values, weights, size, best.grid, best);
  if (!symmetric) try_weighted(values, weights, size, plain_asymmetric(range, bits), best);
  Grid found = symmetric ? search_symmetric(values, weights, size, bits, range)
                         : search_asymmetric(values, weights, size, bits, range);
  found.scale = usable_scale(found.scale);
  try_weighted(values, weights, size, found, best);
  for (int refits = 0; refits < 2; ++refits) {
    found.scale = usable_scale(best.refit);
    try_weighted(values, weights, size, found, best);
  }
  settle_zeros(range, best.grid);
  return best.grid;
}

inline void nearest_codes(const FloatLanes* values, std::int64_t count, const Grid& grid, FloatLanes* codes) {
  const FloatLanes inverse = 1.0f / grid.scale;
  for (std::int64_t k = 0; k < count; ++k) codes[k] = code_of(values[k], inverse, grid.lowest, grid.highest);
}

void quantize_weighted(const MethodTask& task) {
  auto* values = reinterpret_cast<FloatLanes*>(task.scratch);
  FloatLanes* codes = values + padded_columns(task.width);
  alignas(64) float weights[256];
  for (std::int64_t first = 0; first < task.row_count; first += kLanes) {
    load_rows(task, first, values);
    for (std::int64_t begin = 0; begin < task.width; begin += task.block_size) {
      const std::int64_t end = block_end(task, begin);
      for (std::int64_t k = begin; k < end; ++k) weights[k - begin] = k < task.width ? task.weights[k] : 0.0f;
      const Grid grid =
          choose_weighted(values + begin, weights, static_cast<int>(end - begin), task.bits, task.symmetric);
      nearest_codes(values + begin, end - begin, grid, codes);
      store_block(task, first, begin, end, codes, grid);
    }
  }
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

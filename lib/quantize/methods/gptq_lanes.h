#pragma once

#include "quantize/methods/weighted_lanes.h"

// For methods.isa.cc: error feedback along a row, then coordinate descent. See gptq_codec() for the
// mathematics.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

// sums[j] += sum over i in [begin, end) of differences[i] * row_j[i], for eight rows of a matrix.
template <typename RowAt>
inline void look_back(const FloatLanes* differences, std::int64_t begin, std::int64_t end, RowAt row_at,
                      FloatLanes* sums) {
  const float* rows[8];
  FloatLanes s[8];
  for (int j = 0; j < 8; ++j) rows[j] = row_at(j), s[j] = sums[j];
  for (std::int64_t i = begin; i < end; ++i) {
    const FloatLanes d = differences[i];
    for (int j = 0; j < 8; ++j) s[j] += d * rows[j][i];
  }
  for (int j = 0; j < 8; ++j) sums[j] = s[j];
}

struct GptqRow {
  const MethodTask& task;
  std::int64_t padded;
  FloatLanes* values;       // [padded]
  FloatLanes* differences;  // [padded]: value - decoded
  FloatLanes* codes;        // [padded], relative to the zero point
  FloatLanes* gradients;    // [block]: of half the quadratic form
  FloatLanes* products;     // [block]
  FloatLanes* spare;        // [block]
  Grid* grids;              // of every block
};

// What one block becomes with one grid.
struct BlockTrial {
  FloatLanes* codes;        // [block]
  FloatLanes* differences;  // [block]
  FloatLanes loss;          // sum of (d R)_j^2 over its columns: final, whatever later columns do
};

// Rounds the columns of a block one after the other. `targets` holds what the blocks before it make of its
// values.
inline void round_block(const GptqRow& row, std::int64_t begin, std::int64_t size, const FloatLanes* targets,
                        const Grid& grid, BlockTrial& trial) {
  const float* triangle = row.task.factor.feedback;
  const FloatLanes inverse = 1.0f / grid.scale;
  trial.loss = FloatLanes{};
  for (std::int64_t panel = 0; panel < size; panel += 8) {
    FloatLanes sums[8];
    for (int j = 0; j < 8; ++j) sums[j] = targets[panel + j];
    look_back(
        trial.differences, 0, panel,
        [&](int j) { return triangle + feedback_row(begin + panel + j) + begin; }, sums);
    for (int j = 0; j < 8; ++j) {
      const std::int64_t column = begin + panel + j;
      const FloatLanes code = code_of(sums[j], inverse, grid.lowest, grid.highest);
      const FloatLanes decoded = code * grid.scale, missed = sums[j] - decoded;
      const FloatLanes difference = row.values[column] - decoded;
      trial.codes[panel + j] = code;
      trial.differences[panel + j] = difference;
      if (column < row.task.width) trial.loss += missed * missed * row.task.weights[column];
      for (int later = j + 1; later < 8; ++later) {
        sums[later] += difference * triangle[feedback_row(begin + panel + later) + column];
      }
    }
  }
}

// Chooses the grid of one block, for what the blocks before it have made of its values, and rounds its
// columns. The weighted search proposes; what feedback inside the block makes of it is tried for some scales
// around.
inline void feed_back(const GptqRow& row, std::int64_t begin, std::int64_t end, Grid& grid) {
  constexpr float kAround[] = {0.88f, 0.91f, 0.94f, 0.97f, 1.03f, 1.06f, 1.09f};
  const float* triangle = row.task.factor.feedback;
  const std::int64_t size = end - begin;
  FloatLanes* targets = row.gradients;
  for (std::int64_t panel = 0; panel < size; panel += 8) {
    for (int j = 0; j < 8; ++j) targets[panel + j] = row.values[begin + panel + j];
    look_back(
        row.differences, 0, begin, [&](int j) { return triangle + feedback_row(begin + panel + j); },
        targets + panel);
  }
  alignas(64) float weights[256];
  for (std::int64_t k = begin; k < end; ++k) {
    weights[k - begin] = k < row.task.width ? row.task.weights[k] : 0.0f;
  }
  const Grid found =
      choose_weighted(targets, weights, static_cast<int>(size), row.task.bits, row.task.symmetric);
  grid = found;
  BlockTrial best = {row.codes + begin, row.differences + begin, {}};
  round_block(row, begin, size, targets, grid, best);
  for (const float factor : kAround) {
    const float near = row.task.bits == 8 ? 1.0f + (factor - 1.0f) * 0.0625f : factor;
    const Grid tried = {usable_scale(found.scale * near), found.lowest, found.highest};
    BlockTrial trial = {row.products, row.spare, {}};
    round_block(row, begin, size, targets, tried, trial);
    const IntLanes better = trial.loss < best.loss;
    best.loss = select(better, trial.loss, best.loss);
    grid.scale = select(better, tried.scale, grid.scale);
    for (std::int64_t k = 0; k < size; ++k) {
      best.codes[k] = select(better, trial.codes[k], best.codes[k]);
      best.differences[k] = select(better, trial.differences[k], best.differences[k]);
    }
  }
}

// One step of coordinate descent on the exact quadratic form: the scale of a block, then its codes one by
// one, each to the best value given all others.
inline void descend(const GptqRow& row, std::int64_t begin, std::int64_t end, Grid& grid) {
  const float* hessian = row.task.factor.hessian;
  const std::int64_t padded = row.padded, size = end - begin;
  FloatLanes* gradients = row.gradients;  // half of it: (differences H)_k
  for (std::int64_t panel = 0; panel < size; panel += 8) {
    FloatLanes sums[8] = {};
    look_back(
        row.differences, 0, padded, [&](int j) { return hessian + (begin + panel + j) * padded; }, sums);
    for (int j = 0; j < 8; ++j) gradients[panel + j] = sums[j];
  }
  const FloatLanes* codes = row.codes + begin;
  FloatLanes slope = {}, curvature = {};
  for (std::int64_t panel = 0; panel < size; panel += 8) {
    FloatLanes sums[8] = {};
    look_back(
        codes, 0, size, [&](int j) { return hessian + (begin + panel + j) * padded + begin; }, sums);
    for (int j = 0; j < 8; ++j) {
      row.products[panel + j] = sums[j];
      slope += codes[panel + j] * gradients[panel + j];
      curvature += codes[panel + j] * sums[j];
    }
  }
  const FloatLanes step = slope / larger(curvature, broadcast(0x1p-60f));
  // A step that float16 cannot hold, or that would turn the scale over, is not taken.
  const FloatLanes fitted = usable_scale(grid.scale + step);
  const IntLanes sane = (curvature > 0x1p-60f) & (fitted * grid.scale > 0.0f);
  const FloatLanes scale = select(sane, fitted, grid.scale), change = scale - grid.scale;
  // Rounded to float16 it may overshoot: only what lowers the form is taken.
  const IntLanes better = (change * change * curvature - 2.0f * change * slope) < 0.0f;
  const FloatLanes taken = select(better, change, FloatLanes{});
  grid.scale = select(better, scale, grid.scale);
  for (std::int64_t k = 0; k < size; ++k) {
    row.differences[begin + k] = row.values[begin + k] - row.codes[begin + k] * grid.scale;
    gradients[k] -= taken * row.products[k];
  }
  const FloatLanes inverse = 1.0f / grid.scale;
  for (std::int64_t k = 0; k < size; ++k) {
    const float* line = hessian + (begin + k) * padded + begin;
    const FloatLanes wanted = row.codes[begin + k] + gradients[k] * inverse * (1.0f / line[k]);
    const FloatLanes code = round_to_even(smaller(larger(wanted, grid.lowest), grid.highest));
    const FloatLanes difference = row.values[begin + k] - code * grid.scale;
    const FloatLanes moved = difference - row.differences[begin + k];
    row.codes[begin + k] = code;
    row.differences[begin + k] = difference;
    for (std::int64_t other = 0; other < size; ++other) gradients[other] += moved * line[other];
  }
}

void quantize_gptq(const MethodTask& task) {
  const std::int64_t padded = padded_columns(task.width);
  const std::int64_t blocks = (task.width + task.block_size - 1) / task.block_size;
  auto* memory = reinterpret_cast<FloatLanes*>(task.scratch);
  const GptqRow row = {task,
                       padded,
                       memory,
                       memory + padded,
                       memory + 2 * padded,
                       memory + 3 * padded,
                       memory + 3 * padded + 256,
                       memory + 3 * padded + 512,
                       reinterpret_cast<Grid*>(memory + 3 * padded + 768)};
  for (std::int64_t first = 0; first < task.row_count; first += kLanes) {
    load_rows(task, first, row.values);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t begin = block * task.block_size, end = block_end(task, begin);
      feed_back(row, begin, end, row.grids[block]);
    }
    for (int pass = 0; pass < task.passes; ++pass) {
      for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t begin = block * task.block_size;
        descend(row, begin, block_end(task, begin), row.grids[block]);
      }
    }
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t begin = block * task.block_size;
      store_block(task, first, begin, block_end(task, begin), row.codes + begin, row.grids[block]);
    }
  }
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

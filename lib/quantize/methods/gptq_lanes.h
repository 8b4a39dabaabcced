#pragma once

#include "quantize/methods/weighted_lanes.h"

// For methods.isa.cc: error feedback along a row, then coordinate descent. See gptq_codec() for the mathematics.
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
  Grid* grids;              // of every block
};

// The grid of a block is fixed before its columns are rounded: by the weighted search over its values.
inline Grid block_grid(const MethodTask& task, const FloatLanes* values, std::int64_t begin, std::int64_t end) {
  alignas(64) float weights[256];
  for (std::int64_t k = begin; k < end; ++k) weights[k - begin] = k < task.width ? task.weights[k] : 0.0f;
  return choose_weighted(values, weights, static_cast<int>(end - begin), task.bits, task.symmetric);
}

// Rounds the columns of one block, each after what all columns before it owe to it.
inline void feed_back(const GptqRow& row, std::int64_t begin, std::int64_t end, const Grid& grid) {
  const float* triangle = row.task.factor.feedback;
  const FloatLanes inverse = 1.0f / grid.scale;
  for (std::int64_t panel = begin; panel < end; panel += 8) {
    FloatLanes sums[8];
    for (int j = 0; j < 8; ++j) sums[j] = row.values[panel + j];
    look_back(
        row.differences, 0, panel, [&](int j) { return triangle + feedback_row(panel + j); }, sums);
    for (int j = 0; j < 8; ++j) {
      const FloatLanes code = code_of(sums[j], inverse, grid.lowest, grid.highest);
      const FloatLanes difference = row.values[panel + j] - code * grid.scale;
      row.codes[panel + j] = code;
      row.differences[panel + j] = difference;
      for (int later = j + 1; later < 8; ++later) {
        sums[later] += difference * triangle[feedback_row(panel + later) + panel + j];
      }
    }
  }
}

// One step of coordinate descent on the exact quadratic form: the scale of a block, then its codes one by one, each to
// the best value given all others.
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
                       reinterpret_cast<Grid*>(memory + 3 * padded + 512)};
  for (std::int64_t first = 0; first < task.row_count; first += kLanes) {
    load_rows(task, first, row.values);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t begin = block * task.block_size, end = block_end(task, begin);
      row.grids[block] = block_grid(task, row.values + begin, begin, end);
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

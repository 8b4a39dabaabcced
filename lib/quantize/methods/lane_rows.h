#pragma once

#include "quantize/codecs/grid_lanes.h"
#include "quantize/methods/kernels.h"

// For methods.isa.cc: kLanes rows of a task side by side, one in each lane, and their way back to codes.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

// Column k of the rows from `first`; 0 for columns and rows that are not there.
inline void load_rows(const MethodTask& task, std::int64_t first, FloatLanes* values) {
  const std::int64_t padded = padded_columns(task.width);
  auto* out = reinterpret_cast<float*>(values);
  for (int lane = 0; lane < kLanes; ++lane) {
    const bool there = first + lane < task.row_count;
    const float* row = task.rows + (first + lane) * task.width;
    for (std::int64_t k = 0; k < padded; ++k)
      out[k * kLanes + lane] = there && k < task.width ? row[k] : 0.0f;
  }
}

// `codes` are relative to the zero point: column k of the rows, from `begin` to `end`, that `grid` encodes.
inline void store_block(const MethodTask& task, std::int64_t first, std::int64_t begin, std::int64_t end,
                        const FloatLanes* codes, const Grid& grid) {
  const std::int64_t blocks = (task.width + task.block_size - 1) / task.block_size;
  const std::int64_t block = begin / task.block_size;
  const IntLanes zero_point = round_to_int(-grid.lowest);
  for (std::int64_t k = begin; k < end && k < task.width; ++k) {
    const IntLanes stored = round_to_int(codes[k - begin]) + zero_point;
    for (int lane = 0; lane < kLanes && first + lane < task.row_count; ++lane) {
      task.codes[(first + lane) * task.width + k] = static_cast<std::uint8_t>(stored[lane]);
    }
  }
  for (int lane = 0; lane < kLanes && first + lane < task.row_count; ++lane) {
    task.scales[(first + lane) * blocks + block] = grid.scale[lane];
    task.zero_points[(first + lane) * blocks + block] = static_cast<std::uint8_t>(zero_point[lane]);
  }
}

inline std::int64_t block_end(const MethodTask& task, std::int64_t begin) {
  const std::int64_t end = begin + task.block_size, padded = padded_columns(task.width);
  return end < padded ? end : padded;
}

// The plain grids: the value of largest magnitude becomes the lowest code; the range, with 0 in it, fills the
// codes.
inline Grid plain_symmetric(const Range& range, int bits) {
  const float half = static_cast<float>(1 << (bits - 1));
  return {usable_scale(extreme_of(range) * (-1.0f / half)), broadcast(-half), broadcast(half - 1)};
}

inline Grid plain_asymmetric(const Range& range, int bits) {
  const float top = static_cast<float>((1 << bits) - 1);
  const FloatLanes zero = {};
  const FloatLanes lowest = smaller(range.lowest, zero), highest = larger(range.highest, zero);
  const FloatLanes scale = usable_scale((highest - lowest) * (1.0f / top));
  const FloatLanes zero_point = round_to_even(smaller(-lowest / scale, broadcast(top)));
  return {scale, -zero_point, top - zero_point};
}

// Blocks of zeros get scale 1, whatever was found for them.
inline void settle_zeros(const Range& range, Grid& grid) {
  grid.scale = select((range.lowest == 0.0f) & (range.highest == 0.0f), broadcast(1.0f), grid.scale);
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

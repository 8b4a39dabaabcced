#pragma once

#include "quantize/codecs/grid_lanes.h"
#include "quantize/codecs/kernels.h"

// For codec.isa.cc: kLanes blocks of a task side by side, one in each lane, and their way back to bytes.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr int kMaxBlock = 256;

// values[k] holds value k of every block. Values past the end of a row are 0.
struct Group {
  alignas(64) FloatLanes values[kMaxBlock];
  alignas(64) float padded[kLanes][kMaxBlock];
  const float* blocks[kLanes];
};

// Where the codes of a block go.
struct Place {
  std::uint8_t* codes;
  std::int64_t bytes;
};

// Points a lane at a block of the task, padded with zeros where the row ends or where there are no more rows.
inline Place place_block(const BlockTask& task, std::int64_t row, std::int64_t column, int bits, Group& group,
                         int lane) {
  const std::int64_t size = task.block_size, begin = column * size, block_bytes = size * bits / 8;
  const std::int64_t length = row < task.row_count ? task.width - begin : 0;
  if (length >= size) {
    group.blocks[lane] = task.rows + row * task.width + begin;
    return {task.codes + row * task.bytes_per_row + column * block_bytes, block_bytes};
  }
  float* padded = group.padded[lane];
  std::memset(padded, 0, sizeof(group.padded[lane]));
  group.blocks[lane] = padded;
  if (length == 0) return {task.codes, 0};
  std::memcpy(padded, task.rows + row * task.width + begin, static_cast<std::size_t>(length) * sizeof(float));
  const std::int64_t left = task.bytes_per_row - column * block_bytes;
  return {task.codes + row * task.bytes_per_row + column * block_bytes,
          left < block_bytes ? left : block_bytes};
}

inline void transpose(Group& group, int size) {
  typedef float Quad __attribute__((vector_size(16), may_alias));
  float* out = reinterpret_cast<float*>(group.values);
  for (int lane = 0; lane < kLanes; lane += 4) {
    for (int k = 0; k < size; k += 4) {
      Quad a, b, c, d;
      std::memcpy(&a, group.blocks[lane] + k, sizeof(a));
      std::memcpy(&b, group.blocks[lane + 1] + k, sizeof(b));
      std::memcpy(&c, group.blocks[lane + 2] + k, sizeof(c));
      std::memcpy(&d, group.blocks[lane + 3] + k, sizeof(d));
      const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const Quad columns[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                               __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                               __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                               __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
      for (int i = 0; i < 4; ++i) std::memcpy(out + (k + i) * kLanes + lane, &columns[i], sizeof(Quad));
    }
  }
}

template <int kBits>
void write_codes(const Group& group, int size, const Grid& grid, const Place (&places)[kLanes]) {
  constexpr int kPerWord = 32 / kBits;
  const FloatLanes inverse = 1.0f / grid.scale;
  const IntLanes zero_point = round_to_int(-grid.lowest);
  alignas(64) std::uint32_t words[kMaxBlock / kPerWord][kLanes];
  for (int word = 0; word < size / kPerWord; ++word) {
    IntLanes packed = {};
    for (int i = 0; i < kPerWord; ++i) {
      const FloatLanes value = group.values[word * kPerWord + i];
      const FloatLanes clamped = smaller(larger(value * inverse, grid.lowest), grid.highest);
      packed |= (round_to_int(clamped) + zero_point) << (i * kBits);
    }
    std::memcpy(words[word], &packed, sizeof(packed));
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    std::uint32_t block[kMaxBlock / kPerWord];
    for (int word = 0; word < size / kPerWord; ++word) block[word] = words[word][lane];
    std::memcpy(places[lane].codes, block, static_cast<std::size_t>(places[lane].bytes));
  }
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

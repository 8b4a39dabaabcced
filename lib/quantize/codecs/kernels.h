#pragma once

#include <cstdint>

#include "base/isa.h"

namespace bantam {

// Rows to encode in blocks; see BlockwiseOptions. All values must be finite and at most
// 65504 * 2^(bits-1) in magnitude.
struct BlockTask {
  const float* rows;
  std::int64_t row_count;
  std::int64_t width;
  int block_size;
  bool search;
  std::uint8_t*
      codes;  // bytes_per_row bytes per row: blocks of block_size * bits / 8 bytes, the last one cut
  std::int64_t bytes_per_row;
  float* scales;              // [row_count, blocks]
  std::uint8_t* zero_points;  // [row_count, blocks], a byte each; null when symmetric
};

// The inner loops of the codecs, one table per instruction-set level. All levels give the same bytes.
struct CodecKernels {
  void (*encode_symmetric4)(const BlockTask& task);
  void (*encode_asymmetric4)(const BlockTask& task);
  void (*encode_symmetric8)(const BlockTask& task);
  void (*encode_asymmetric8)(const BlockTask& task);
  // out[i] = clamp(round(in[i] * inverse) + zero_point, lowest, highest), ties to even; |in[i] * inverse| <
  // 2^21.
  void (*encode_row)(const float* in, std::int64_t count, float inverse, int zero_point, int lowest,
                     int highest, std::uint8_t* out);
  // Extends [*lowest, *highest] to the values of a row, none of them NaN.
  void (*extend_range)(const float* in, std::int64_t count, float* lowest, float* highest);
};

const CodecKernels& codec_kernels(Isa isa);
const CodecKernels& codec_kernels();

}  // namespace bantam

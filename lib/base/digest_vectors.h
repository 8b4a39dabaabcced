#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// For the digests' *.isa.cc files: a block of each of kVectorLanes streams side by side, one stream in each
// lane.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr std::size_t kVectorLanes = 16;
typedef std::uint32_t Lanes __attribute__((vector_size(4 * kVectorLanes)));

inline Lanes rotate_left(Lanes x, int bits) {
  return (x << bits) | (x >> (32 - bits));
}

// Rows i and i + 8 become rows 2i and 2i + 1, their elements interleaved. An element's row and column,
// written as one number of eight bits, are rotated by one bit: four times is a transposition.
inline void riffle(const Lanes* in, Lanes* out) {
  for (int i = 0; i < 8; ++i) {
    out[2 * i] =
        __builtin_shufflevector(in[i], in[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    out[2 * i + 1] = __builtin_shufflevector(in[i], in[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                             14, 30, 15, 31);
  }
}

// words[k] holds word k, as it lies in memory, of the 64 bytes at data[lane] + offset of every lane.
inline void load_blocks(const std::uint8_t* const* data, std::int64_t offset, Lanes (&words)[16]) {
  Lanes other[16];
  for (std::size_t lane = 0; lane < kVectorLanes; ++lane)
    std::memcpy(&words[lane], data[lane] + offset, sizeof(Lanes));
  riffle(words, other);
  riffle(other, words);
  riffle(words, other);
  riffle(other, words);
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

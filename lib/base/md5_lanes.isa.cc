#include <cstdint>
#include <cstring>

#include "base/md5_lanes.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

typedef std::uint32_t Lanes __attribute__((vector_size(4 * kMd5Lanes)));

// floor(2^32 * |sin(i + 1)|), RFC 1321 section 3.4.
constexpr std::uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

template <int kRound>
Lanes mix(Lanes b, Lanes c, Lanes d) {
  if constexpr (kRound == 0) return d ^ (b & (c ^ d));
  if constexpr (kRound == 1) return c ^ (d & (b ^ c));
  if constexpr (kRound == 2) return b ^ c ^ d;
  if constexpr (kRound == 3) return c ^ (b | ~d);
}

template <int kRound>
void round16(Lanes& a, Lanes& b, Lanes& c, Lanes& d, const Lanes* words) {
  constexpr int kStep[4] = {1, 5, 3, 7};
  constexpr int kStart[4] = {0, 1, 5, 0};
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const int shift = kShifts[kRound][i % 4];
    const Lanes sum = a + mix<kRound>(b, c, d) + words[(kStart[kRound] + kStep[kRound] * i) % 16] + kSines[16 * kRound + i];
    a = d;
    d = c;
    c = b;
    b += (sum << shift) | (sum >> (32 - shift));
  }
}

// Rows i and i + 8 become rows 2i and 2i + 1, their elements interleaved. An element's row and column, written as one number of
// eight bits, are rotated by one bit: four times is a transposition.
void riffle(const Lanes* in, Lanes* out) {
  for (int i = 0; i < 8; ++i) {
    out[2 * i] = __builtin_shufflevector(in[i], in[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    out[2 * i + 1] = __builtin_shufflevector(in[i], in[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

void md5_blocks(std::uint32_t (*state)[kMd5Lanes], const std::uint8_t* const* data, std::int64_t count) {
  Lanes s[4];
  std::memcpy(s, state, sizeof(s));
  for (std::int64_t block = 0; block < count; ++block) {
    Lanes words[16], other[16];
    for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) std::memcpy(&words[lane], data[lane] + 64 * block, sizeof(Lanes));
    riffle(words, other);
    riffle(other, words);
    riffle(words, other);
    riffle(other, words);
    Lanes a = s[0], b = s[1], c = s[2], d = s[3];
    round16<0>(a, b, c, d, words);
    round16<1>(a, b, c, d, words);
    round16<2>(a, b, c, d, words);
    round16<3>(a, b, c, d, words);
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
  }
  std::memcpy(state, s, sizeof(s));
}

}  // namespace

extern const Md5Blocks kMd5Blocks;
const Md5Blocks kMd5Blocks = md5_blocks;

}  // namespace bantam::BANTAM_ISA_NAMESPACE

#include <cstdint>
#include <cstring>

#include "base/digest_vectors.h"
#include "base/md5_lanes.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

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

// The four working variables, and the words of a block, of kVectorLanes streams.
struct Work {
  Lanes a, b, c, d;
  Lanes words[16];
};

// Every step waits for the one before it: vectors take turns, so that the processor has something to do
// meanwhile.
template <int kRound, int kVectors>
void round16(Work (&work)[kVectors]) {
  constexpr int kStep[4] = {1, 5, 3, 7};
  constexpr int kStart[4] = {0, 1, 5, 0};
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const int shift = kShifts[kRound][i % 4];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      auto& [a, b, c, d, words] = work[v];
      const Lanes sum = words[(kStart[kRound] + kStep[kRound] * i) % 16] + kSines[16 * kRound + i] + a +
                        mix<kRound>(b, c, d);
      a = d;
      d = c;
      c = b;
      b += rotate_left(sum, shift);
    }
  }
}

template <int kVectors>
void md5_blocks(std::uint32_t (*state)[kMd5Lanes], const std::uint8_t* const* data, std::size_t first,
                std::int64_t count) {
  Lanes s[kVectors][4];
  for (std::size_t v = 0; v < kVectors; ++v) {
    for (std::size_t word = 0; word < 4; ++word)
      std::memcpy(&s[v][word], state[word] + first + kVectorLanes * v, sizeof(Lanes));
  }
  for (std::int64_t block = 0; block < count; ++block) {
    Work work[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      load_blocks(data + first + kVectorLanes * v, 64 * block, work[v].words);
      work[v].a = s[v][0], work[v].b = s[v][1], work[v].c = s[v][2], work[v].d = s[v][3];
    }
    round16<0>(work);
    round16<1>(work);
    round16<2>(work);
    round16<3>(work);
    for (std::size_t v = 0; v < kVectors; ++v) {
      s[v][0] += work[v].a, s[v][1] += work[v].b, s[v][2] += work[v].c, s[v][3] += work[v].d;
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    for (std::size_t word = 0; word < 4; ++word)
      std::memcpy(state[word] + first + kVectorLanes * v, &s[v][word], sizeof(Lanes));
  }
}

void any_lanes(std::uint32_t (*state)[kMd5Lanes], const std::uint8_t* const* data, std::size_t lanes,
               std::int64_t count) {
#if defined(__AVX2__)
  if (lanes > kVectorLanes) return md5_blocks<2>(state, data, 0, count);
#endif  // elsewhere the registers do not suffice for two vectors
  for (std::size_t first = 0; first < lanes; first += kVectorLanes) md5_blocks<1>(state, data, first, count);
}

}  // namespace

extern const Md5Blocks kMd5Blocks;
const Md5Blocks kMd5Blocks = any_lanes;

}  // namespace bantam::BANTAM_ISA_NAMESPACE

#include "base/sha256_lanes.h"

// Narrower vectors, which cannot rotate, are no faster than the SHA instructions.
#if defined(__AVX512F__)
#include "base/digest_vectors.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

static_assert(kSha256Lanes == 2 * kVectorLanes);

inline Lanes rotate_right(Lanes x, int bits) {
  return rotate_left(x, 32 - bits);
}

inline Lanes swap_bytes(Lanes x) {
  return (rotate_left(x, 8) & 0x00ff00ff) | (rotate_left(x, 24) & 0xff00ff00);
}

// The functions of FIPS 180-4, section 4.1.2.
inline Lanes choose(Lanes x, Lanes y, Lanes z) {
  return z ^ (x & (y ^ z));
}
inline Lanes majority(Lanes x, Lanes y, Lanes z) {
  return (x & y) | (z & (x | y));
}
inline Lanes big_sigma0(Lanes x) {
  return rotate_right(x, 2) ^ rotate_right(x, 13) ^ rotate_right(x, 22);
}
inline Lanes big_sigma1(Lanes x) {
  return rotate_right(x, 6) ^ rotate_right(x, 11) ^ rotate_right(x, 25);
}
inline Lanes small_sigma0(Lanes x) {
  return rotate_right(x, 7) ^ rotate_right(x, 18) ^ (x >> 3);
}
inline Lanes small_sigma1(Lanes x) {
  return rotate_right(x, 17) ^ rotate_right(x, 19) ^ (x >> 10);
}

// As in MD5, vectors take turns: every step waits for the one before it.
template <int kVectors>
void sha256_blocks(std::uint32_t (*state)[kSha256Lanes], const std::uint8_t* const* data,
                   std::int64_t count) {
  Lanes sums[kVectors][8];
  for (std::size_t v = 0; v < kVectors; ++v) {
    for (std::size_t word = 0; word < 8; ++word)
      std::memcpy(&sums[v][word], state[word] + kVectorLanes * v, sizeof(Lanes));
  }
  for (std::int64_t block = 0; block < count; ++block) {
    Lanes now[kVectors][8], words[kVectors][16];
    for (std::size_t v = 0; v < kVectors; ++v) {
      load_blocks(data + kVectorLanes * v, 64 * block, words[v]);
      for (Lanes& word : words[v]) word = swap_bytes(word);
      for (std::size_t word = 0; word < 8; ++word) now[v][word] = sums[v][word];
    }
    for (int round = 0; round < 64; round += 16) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          auto& [a, b, c, d, e, f, g, h] = now[v];
          Lanes(&w)[16] = words[v];
          if (round > 0)
            w[i] += small_sigma0(w[(i + 1) % 16]) + w[(i + 9) % 16] + small_sigma1(w[(i + 14) % 16]);
          const Lanes first = w[i] + kSha256Roots[round + i] + h + choose(e, f, g) + big_sigma1(e);
          const Lanes second = big_sigma0(a) + majority(a, b, c);
          h = g, g = f, f = e, e = d + first;
          d = c, c = b, b = a, a = first + second;
        }
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      for (std::size_t word = 0; word < 8; ++word) sums[v][word] += now[v][word];
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    for (std::size_t word = 0; word < 8; ++word)
      std::memcpy(state[word] + kVectorLanes * v, &sums[v][word], sizeof(Lanes));
  }
}

void any_lanes(std::uint32_t (*state)[kSha256Lanes], const std::uint8_t* const* data, std::size_t lanes,
               std::int64_t count) {
  if (lanes > kVectorLanes)
    sha256_blocks<2>(state, data, count);
  else
    sha256_blocks<1>(state, data, count);
}

}  // namespace

extern const Sha256Vectors kSha256Vectors;
const Sha256Vectors kSha256Vectors = any_lanes;

}  // namespace bantam::BANTAM_ISA_NAMESPACE

#endif

#include "base/isa.h"
#include "base/sha256_lanes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

// The functions below only; whether the processor has them is asked before.
#define BANTAM_SHA __attribute__((target("sha,sse4.1")))

namespace bantam {
namespace {

// The working variables as the instructions want them, from high to low.
struct State {
  __m128i abef;
  __m128i cdgh;
};

BANTAM_SHA inline State load_state(const std::uint32_t* words) {
  const __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words)), 0x1b);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words + 4)), 0x1b);
  return {_mm_unpackhi_epi64(efgh, abcd), _mm_unpacklo_epi64(efgh, abcd)};
}

BANTAM_SHA inline void store_state(const State& state, std::uint32_t* words) {
  const __m128i abcd = _mm_unpackhi_epi64(state.cdgh, state.abef),
                efgh = _mm_unpacklo_epi64(state.cdgh, state.abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words), _mm_shuffle_epi32(abcd, 0x1b));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 4), _mm_shuffle_epi32(efgh, 0x1b));
}

BANTAM_SHA inline __m128i load_words(const std::uint8_t* data) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data)), swap);
}

// The schedule's next four words from the last sixteen, oldest first.
BANTAM_SHA inline __m128i next_words(__m128i w0, __m128i w4, __m128i w8, __m128i w12) {
  return _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8(w12, w8, 4)), w12);
}

template <int kStreams>
BANTAM_SHA void run_blocks(std::uint32_t* const* words, const std::uint8_t* const* data, std::int64_t count) {
  State states[kStreams];
  for (int s = 0; s < kStreams; ++s) states[s] = load_state(words[s]);
  for (std::int64_t offset = 0; offset < count * 64; offset += 64) {
    __m128i schedule[kStreams][4];
    State now[kStreams];
    for (int s = 0; s < kStreams; ++s) now[s] = states[s];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const __m128i roots = _mm_load_si128(reinterpret_cast<const __m128i*>(kSha256Roots + 4 * i));
#pragma GCC unroll 2
      for (int s = 0; s < kStreams; ++s) {
        __m128i(&w)[4] = schedule[s];
        w[i % 4] = i < 4 ? load_words(data[s] + offset + 16 * i)
                         : next_words(w[i % 4], w[(i + 1) % 4], w[(i + 2) % 4], w[(i + 3) % 4]);
        const __m128i sum = _mm_add_epi32(w[i % 4], roots);
        now[s].cdgh = _mm_sha256rnds2_epu32(now[s].cdgh, now[s].abef, sum);
        now[s].abef = _mm_sha256rnds2_epu32(now[s].abef, now[s].cdgh, _mm_shuffle_epi32(sum, 0x0e));
      }
    }
    for (int s = 0; s < kStreams; ++s) {
      states[s].abef = _mm_add_epi32(states[s].abef, now[s].abef);
      states[s].cdgh = _mm_add_epi32(states[s].cdgh, now[s].cdgh);
    }
  }
  for (int s = 0; s < kStreams; ++s) store_state(states[s], words[s]);
}

bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return isa() != Isa::kV2 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

}  // namespace

const Sha256Blocks* sha256_blocks() {
  static constexpr Sha256Blocks kBlocks = {run_blocks<1>, run_blocks<2>};
  static const bool available = has_sha_instructions();
  return available ? &kBlocks : nullptr;
}

}  // namespace bantam

#else

namespace bantam {

const Sha256Blocks* sha256_blocks() {
  return nullptr;
}

}  // namespace bantam

#endif

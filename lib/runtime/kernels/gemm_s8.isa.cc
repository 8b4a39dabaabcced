// The u8 x s8 -> s32 tile kernel, exact on every level: AVX512-VNNI where it exists, else 16-bit products
// (pmaddwd; pmaddubsw would saturate). Compiled once per instruction-set level; only internal linkage besides
// the table. Accumulators are indexed by constants from a fold expression, see gemm_f32.isa.cc.
#include <cstring>
#include <utility>

#include "runtime/kernels/kernels.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

using Group = std::int64_t;  // four consecutive k

#if defined(__AVX512VNNI__)
using A = std::uint8_t;
constexpr int kRows = 12;
constexpr int kColumns = 32;

// panel: [k / 4][32][4]
template <std::size_t... I>
void tile_rows(std::index_sequence<I...>, Group groups, const A* a, std::int64_t lda,
               const std::int8_t* panel, std::int32_t* c, std::int64_t ldc) {
  __m512i left[sizeof...(I)];
  __m512i right[sizeof...(I)];
  ((left[I] = _mm512_setzero_si512(), right[I] = _mm512_setzero_si512()), ...);
  for (Group g = 0; g < groups; ++g) {
    const __m512i b_left = _mm512_loadu_si512(panel);
    const __m512i b_right = _mm512_loadu_si512(panel + 64);
    panel += 128;
    (
        [&] {
          std::int32_t four;
          std::memcpy(&four, a + static_cast<std::int64_t>(I) * lda + g * 4, 4);
          const __m512i value = _mm512_set1_epi32(four);
          left[I] = _mm512_dpbusd_epi32(left[I], value, b_left);
          right[I] = _mm512_dpbusd_epi32(right[I], value, b_right);
        }(),
        ...);
  }
  (
      [&] {
        _mm512_storeu_si512(c + static_cast<std::int64_t>(I) * ldc, left[I]);
        _mm512_storeu_si512(c + static_cast<std::int64_t>(I) * ldc + 16, right[I]);
      }(),
      ...);
}

#elif defined(__SSE4_1__)
using A = std::uint16_t;  // widened, so that products are of 16-bit values
#if defined(__AVX2__)
using Vec = __m256i;
constexpr int kRows = 3;
constexpr int kColumns = 16;
Vec zero() {
  return _mm256_setzero_si256();
}
Vec widen(const std::int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
Vec broadcast(const A* p) {
  std::int64_t four;
  std::memcpy(&four, p, 8);
  return _mm256_set1_epi64x(four);
}
Vec multiply_add(Vec sum, Vec x, Vec y) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
}
// Each vector holds two partial sums for four columns; eight columns come out.
void store_pair(std::int32_t* c, Vec first, Vec second) {
  const Vec mixed = _mm256_hadd_epi32(first, second);  // columns 0 1 4 5 | 2 3 6 7
  _mm256_storeu_si256(reinterpret_cast<Vec*>(c), _mm256_permute4x64_epi64(mixed, 0xd8));
}
constexpr int kPerVec = 4;
#else
using Vec = __m128i;
constexpr int kRows = 3;
constexpr int kColumns = 8;
Vec zero() {
  return _mm_setzero_si128();
}
Vec widen(const std::int8_t* p) {
  std::int64_t eight;
  std::memcpy(&eight, p, 8);
  return _mm_cvtepi8_epi16(_mm_set_epi64x(0, eight));
}
Vec broadcast(const A* p) {
  std::int64_t four;
  std::memcpy(&four, p, 8);
  return _mm_set1_epi64x(four);
}
Vec multiply_add(Vec sum, Vec x, Vec y) {
  return _mm_add_epi32(sum, _mm_madd_epi16(x, y));
}
void store_pair(std::int32_t* c, Vec first, Vec second) {
  _mm_storeu_si128(reinterpret_cast<Vec*>(c), _mm_hadd_epi32(first, second));
}
constexpr int kPerVec = 2;
#endif
static_assert(kColumns == 4 * kPerVec);

// panel: [k / 4][kColumns][4]
template <std::size_t... I>
void tile_rows(std::index_sequence<I...>, Group groups, const A* a, std::int64_t lda,
               const std::int8_t* panel, std::int32_t* c, std::int64_t ldc) {
  Vec sum0[sizeof...(I)];
  Vec sum1[sizeof...(I)];
  Vec sum2[sizeof...(I)];
  Vec sum3[sizeof...(I)];
  ((sum0[I] = zero(), sum1[I] = zero(), sum2[I] = zero(), sum3[I] = zero()), ...);
  for (Group g = 0; g < groups; ++g) {
    const Vec b0 = widen(panel);
    const Vec b1 = widen(panel + 4 * kPerVec);
    const Vec b2 = widen(panel + 8 * kPerVec);
    const Vec b3 = widen(panel + 12 * kPerVec);
    panel += 4 * kColumns;
    (
        [&] {
          const Vec value = broadcast(a + static_cast<std::int64_t>(I) * lda + g * 4);
          sum0[I] = multiply_add(sum0[I], value, b0);
          sum1[I] = multiply_add(sum1[I], value, b1);
          sum2[I] = multiply_add(sum2[I], value, b2);
          sum3[I] = multiply_add(sum3[I], value, b3);
        }(),
        ...);
  }
  (
      [&] {
        store_pair(c + static_cast<std::int64_t>(I) * ldc, sum0[I], sum1[I]);
        store_pair(c + static_cast<std::int64_t>(I) * ldc + 2 * kPerVec, sum2[I], sum3[I]);
      }(),
      ...);
}

#else
using A = std::uint8_t;
constexpr int kRows = 4;
constexpr int kColumns = 8;

template <std::size_t... I>
void tile_rows(std::index_sequence<I...>, Group groups, const A* a, std::int64_t lda,
               const std::int8_t* panel, std::int32_t* c, std::int64_t ldc) {
  constexpr int kM = sizeof...(I);
  std::uint32_t sum[kM][kColumns] = {};
  for (Group g = 0; g < groups; ++g) {
    for (int i = 0; i < kM; ++i) {
      const A* four = a + i * lda + g * 4;
      for (int j = 0; j < kColumns; ++j) {
        for (int q = 0; q < 4; ++q) sum[i][j] += static_cast<std::uint32_t>(four[q] * panel[j * 4 + q]);
      }
    }
    panel += 4 * kColumns;
  }
  for (int i = 0; i < kM; ++i) std::memcpy(c + i * ldc, sum[i], sizeof(sum[i]));
}
#endif

template <std::size_t kM>
void tile_m(Group groups, const void* a, std::int64_t lda, const std::int8_t* panel, std::int32_t* c,
            std::int64_t ldc) {
  tile_rows(std::make_index_sequence<kM>(), groups, static_cast<const A*>(a), lda, panel, c, ldc);
}

using TileFn = void (*)(Group, const void*, std::int64_t, const std::int8_t*, std::int32_t*, std::int64_t);
template <std::size_t... I>
void dispatch(std::index_sequence<I...>, int m, Group groups, const void* a, std::int64_t lda,
              const std::int8_t* panel, std::int32_t* c, std::int64_t ldc) {
  static constexpr TileFn kTiles[] = {tile_m<I + 1>...};
  kTiles[m - 1](groups, a, lda, panel, c, ldc);
}

void tile(int m, std::int64_t groups, const void* a, std::int64_t lda, const std::int8_t* panel,
          std::int32_t* c, std::int64_t ldc) {
  dispatch(std::make_index_sequence<kRows>(), m, groups, a, lda, panel, c, ldc);
}

// Sums that do not fit wrap around; signed overflow would be undefined.
std::uint32_t bits(std::int32_t value) {
  return static_cast<std::uint32_t>(value);
}
std::int32_t wrap(std::uint32_t value) {
  return static_cast<std::int32_t>(value);
}

// One row of a tile with the zero points applied, see kernels.h.
std::int32_t exact(std::int32_t c, std::int32_t row_sum, std::int32_t term, std::int32_t zero) {
  return wrap(bits(c) + bits(term) - bits(row_sum) * bits(zero));
}

// Loops of a known length become a few vectors; only the last panel has fewer columns.
template <typename Body>
[[gnu::always_inline]] inline void for_columns(std::int64_t count, Body body) {
  if (count == kColumns) {
    for (std::int64_t j = 0; j < kColumns; ++j) body(j);
  } else {
    for (std::int64_t j = 0; j < count; ++j) body(j);
  }
}

void to_float(const std::int32_t* __restrict c, std::int32_t row_sum, const std::int32_t* __restrict terms,
              const std::int32_t* __restrict zeros, const float* __restrict scales,
              const float* __restrict bias, float* __restrict out, std::int64_t count) {
  // Conditions outside, so that the loops have none.
  const auto plain = [&](std::int64_t j) {
    return static_cast<float>(exact(c[j], 0, terms[j], 0)) * scales[j];
  };
  const auto shifted = [&](std::int64_t j) {
    return static_cast<float>(exact(c[j], row_sum, terms[j], zeros[j])) * scales[j];
  };
  if (zeros == nullptr && bias == nullptr) {
    for_columns(count, [&](std::int64_t j) { out[j] = plain(j); });
  } else if (zeros == nullptr) {
    for_columns(count, [&](std::int64_t j) { out[j] = plain(j) + bias[j]; });
  } else if (bias == nullptr) {
    for_columns(count, [&](std::int64_t j) { out[j] = shifted(j); });
  } else {
    for_columns(count, [&](std::int64_t j) { out[j] = shifted(j) + bias[j]; });
  }
}

void to_int(const std::int32_t* __restrict c, std::int32_t row_sum, const std::int32_t* __restrict terms,
            const std::int32_t* __restrict zeros, std::int32_t* __restrict out, std::int64_t count) {
  if (zeros == nullptr) {
    for_columns(count, [&](std::int64_t j) { out[j] = exact(c[j], 0, terms[j], 0); });
  } else {
    for_columns(count, [&](std::int64_t j) { out[j] = exact(c[j], row_sum, terms[j], zeros[j]); });
  }
}

}  // namespace

extern const GemmS8Kernel kGemmS8Kernel;
const GemmS8Kernel kGemmS8Kernel = {kRows, kColumns, sizeof(A), tile, to_float, to_int};

}  // namespace bantam::BANTAM_ISA_NAMESPACE

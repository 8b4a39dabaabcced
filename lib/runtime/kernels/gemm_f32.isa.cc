// The float tile kernel. Compiled once per instruction-set level; only internal linkage besides the table.
// Accumulators are indexed by constants from a fold expression: GCC 12 spills arrays that a loop indexes.
#include <cstring>
#include <utility>

#include "runtime/kernels/kernels.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

#if defined(__AVX512F__)
using Vec = __m512;
constexpr int kLanes = 16;
constexpr int kRows = 12;
Vec zero() {
  return _mm512_setzero_ps();
}
Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
Vec broadcast(const float* p) {
  return _mm512_set1_ps(*p);
}
Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
Vec add(Vec a, Vec b) {
  return _mm512_add_ps(a, b);
}
#elif defined(__AVX2__) && defined(__FMA__)
using Vec = __m256;
constexpr int kLanes = 8;
constexpr int kRows = 6;
Vec zero() {
  return _mm256_setzero_ps();
}
Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
Vec broadcast(const float* p) {
  return _mm256_broadcast_ss(p);
}
Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
Vec add(Vec a, Vec b) {
  return _mm256_add_ps(a, b);
}
#elif defined(__SSE2__)
using Vec = __m128;
constexpr int kLanes = 4;
constexpr int kRows = 6;
Vec zero() {
  return _mm_setzero_ps();
}
Vec load(const float* p) {
  return _mm_loadu_ps(p);
}
void store(float* p, Vec v) {
  _mm_storeu_ps(p, v);
}
Vec broadcast(const float* p) {
  return _mm_set1_ps(*p);
}
Vec fma(Vec a, Vec b, Vec c) {
  return _mm_add_ps(_mm_mul_ps(a, b), c);
}
Vec add(Vec a, Vec b) {
  return _mm_add_ps(a, b);
}
#elif defined(__aarch64__)
using Vec = float32x4_t;
constexpr int kLanes = 4;
constexpr int kRows = 8;
Vec zero() {
  return vdupq_n_f32(0.0f);
}
Vec load(const float* p) {
  return vld1q_f32(p);
}
void store(float* p, Vec v) {
  vst1q_f32(p, v);
}
Vec broadcast(const float* p) {
  return vld1q_dup_f32(p);
}
Vec fma(Vec a, Vec b, Vec c) {
  return vfmaq_f32(c, a, b);
}
Vec add(Vec a, Vec b) {
  return vaddq_f32(a, b);
}
#else
struct Vec {
  float v[4];
};
constexpr int kLanes = 4;
constexpr int kRows = 4;
Vec zero() {
  return {};
}
Vec load(const float* p) {
  return {{p[0], p[1], p[2], p[3]}};
}
void store(float* p, Vec v) {
  for (int i = 0; i < 4; ++i) p[i] = v.v[i];
}
Vec broadcast(const float* p) {
  return {{*p, *p, *p, *p}};
}
Vec fma(Vec a, Vec b, Vec c) {
  for (int i = 0; i < 4; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
Vec add(Vec a, Vec b) {
  for (int i = 0; i < 4; ++i) a.v[i] += b.v[i];
  return a;
}
#endif

constexpr int kColumns = 2 * kLanes;

template <std::size_t... I>
void tile_rows(std::index_sequence<I...>, int n, std::int64_t k, const float* a, std::int64_t lda,
               const float* panel, const float* bias, float* c, std::int64_t ldc, bool accumulate) {
  Vec left[sizeof...(I)];
  Vec right[sizeof...(I)];
  const Vec first_left = bias != nullptr ? load(bias) : zero();
  const Vec first_right = bias != nullptr ? load(bias + kLanes) : zero();
  ((left[I] = first_left, right[I] = first_right), ...);
  for (std::int64_t p = 0; p < k; ++p) {
    const Vec b_left = load(panel);
    const Vec b_right = load(panel + kLanes);
    panel += kColumns;
    (
        [&] {
          const Vec value = broadcast(a + static_cast<std::int64_t>(I) * lda + p);
          left[I] = fma(value, b_left, left[I]);
          right[I] = fma(value, b_right, right[I]);
        }(),
        ...);
  }
  if (n == kColumns) {
    (
        [&] {
          float* row = c + static_cast<std::int64_t>(I) * ldc;
          store(row, accumulate ? add(load(row), left[I]) : left[I]);
          store(row + kLanes, accumulate ? add(load(row + kLanes), right[I]) : right[I]);
        }(),
        ...);
    return;
  }
  (
      [&] {
        float whole[kColumns];
        store(whole, left[I]);
        store(whole + kLanes, right[I]);
        float* row = c + static_cast<std::int64_t>(I) * ldc;
        for (int j = 0; j < n; ++j) row[j] = accumulate ? row[j] + whole[j] : whole[j];
      }(),
      ...);
}

template <std::size_t kM>
void tile_m(int n, std::int64_t k, const float* a, std::int64_t lda, const float* panel, const float* bias,
            float* c, std::int64_t ldc, bool accumulate) {
  tile_rows(std::make_index_sequence<kM>(), n, k, a, lda, panel, bias, c, ldc, accumulate);
}

using TileFn = void (*)(int, std::int64_t, const float*, std::int64_t, const float*, const float*, float*,
                        std::int64_t, bool);
template <std::size_t... I>
void dispatch(std::index_sequence<I...>, int m, int n, std::int64_t k, const float* a, std::int64_t lda,
              const float* panel, const float* bias, float* c, std::int64_t ldc, bool accumulate) {
  static constexpr TileFn kTiles[] = {tile_m<I + 1>...};
  kTiles[m - 1](n, k, a, lda, panel, bias, c, ldc, accumulate);
}

void tile(int m, int n, std::int64_t k, const float* a, std::int64_t lda, const float* panel,
          const float* bias, float* c, std::int64_t ldc, bool accumulate) {
  dispatch(std::make_index_sequence<kRows>(), m, n, k, a, lda, panel, bias, c, ldc, accumulate);
}

}  // namespace

extern const GemmF32Kernel kGemmF32Kernel;
const GemmF32Kernel kGemmF32Kernel = {kRows, kColumns, tile};

}  // namespace bantam::BANTAM_ISA_NAMESPACE

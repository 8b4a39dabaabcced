// Float vectors of the instruction-set level that a kernel file is compiled for. To be included by *.isa.cc
// files only, once each: everything has internal linkage, since each level has its own meaning of these
// names.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#if defined(__clang__)
#include <immintrin.h>
#else
#pragma GCC diagnostic push  // GCC 12 finds uninitialized variables in its own header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

// smaller(a, b) and larger(a, b): b where either is not a number.
#if defined(__AVX512F__)
using Vec = __m512;
constexpr int kVecLanes = 16;
inline Vec zero() {
  return _mm512_setzero_ps();
}
inline Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
inline Vec broadcast(const float* p) {
  return _mm512_set1_ps(*p);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Vec add(Vec a, Vec b) {
  return _mm512_add_ps(a, b);
}
inline Vec subtract(Vec a, Vec b) {
  return _mm512_sub_ps(a, b);
}
inline Vec smaller(Vec a, Vec b) {
  return _mm512_min_ps(a, b);
}
inline Vec larger(Vec a, Vec b) {
  return _mm512_max_ps(a, b);
}
#elif defined(__AVX2__) && defined(__FMA__)
using Vec = __m256;
constexpr int kVecLanes = 8;
inline Vec zero() {
  return _mm256_setzero_ps();
}
inline Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
inline Vec broadcast(const float* p) {
  return _mm256_broadcast_ss(p);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline Vec add(Vec a, Vec b) {
  return _mm256_add_ps(a, b);
}
inline Vec subtract(Vec a, Vec b) {
  return _mm256_sub_ps(a, b);
}
inline Vec smaller(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
inline Vec larger(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
#elif defined(__SSE2__)
using Vec = __m128;
constexpr int kVecLanes = 4;
inline Vec zero() {
  return _mm_setzero_ps();
}
inline Vec load(const float* p) {
  return _mm_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm_storeu_ps(p, v);
}
inline Vec broadcast(const float* p) {
  return _mm_set1_ps(*p);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm_add_ps(_mm_mul_ps(a, b), c);
}
inline Vec add(Vec a, Vec b) {
  return _mm_add_ps(a, b);
}
inline Vec subtract(Vec a, Vec b) {
  return _mm_sub_ps(a, b);
}
inline Vec smaller(Vec a, Vec b) {
  return _mm_min_ps(a, b);
}
inline Vec larger(Vec a, Vec b) {
  return _mm_max_ps(a, b);
}
#elif defined(__aarch64__)
using Vec = float32x4_t;
constexpr int kVecLanes = 4;
inline Vec zero() {
  return vdupq_n_f32(0.0f);
}
inline Vec load(const float* p) {
  return vld1q_f32(p);
}
inline void store(float* p, Vec v) {
  vst1q_f32(p, v);
}
inline Vec broadcast(const float* p) {
  return vld1q_dup_f32(p);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return vfmaq_f32(c, a, b);
}
inline Vec add(Vec a, Vec b) {
  return vaddq_f32(a, b);
}
inline Vec subtract(Vec a, Vec b) {
  return vsubq_f32(a, b);
}
inline Vec smaller(Vec a, Vec b) {
  return vminnmq_f32(a, b);
}
inline Vec larger(Vec a, Vec b) {
  return vmaxnmq_f32(a, b);
}
#else
struct Vec {
  float v[4];
};
constexpr int kVecLanes = 4;
inline Vec zero() {
  return {};
}
inline Vec load(const float* p) {
  return {{p[0], p[1], p[2], p[3]}};
}
inline void store(float* p, Vec v) {
  for (int i = 0; i < 4; ++i) p[i] = v.v[i];
}
inline Vec broadcast(const float* p) {
  return {{*p, *p, *p, *p}};
}
inline Vec fma(Vec a, Vec b, Vec c) {
  for (int i = 0; i < 4; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
inline Vec add(Vec a, Vec b) {
  for (int i = 0; i < 4; ++i) a.v[i] += b.v[i];
  return a;
}
inline Vec subtract(Vec a, Vec b) {
  for (int i = 0; i < 4; ++i) a.v[i] -= b.v[i];
  return a;
}
inline Vec smaller(Vec a, Vec b) {
  for (int i = 0; i < 4; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline Vec larger(Vec a, Vec b) {
  for (int i = 0; i < 4; ++i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
#endif

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

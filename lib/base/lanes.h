#pragma once

#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Portable SIMD for *.isa.cc files: vectors as wide as the instruction set of the file. Everything has
// internal linkage. Arithmetic is IEEE single precision lane by lane, so a computation that never crosses
// lanes gives the same bits whatever kLanes is.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float FloatLanes __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::int32_t IntLanes __attribute__((vector_size(4 * kLanes), may_alias));

inline FloatLanes broadcast(float value) {
  return value - FloatLanes{};
}
inline IntLanes broadcast(std::int32_t value) {
  return value - IntLanes{};
}
inline IntLanes bits_of(FloatLanes value) {
  return reinterpret_cast<IntLanes>(value);
}
inline FloatLanes float_of(IntLanes value) {
  return reinterpret_cast<FloatLanes>(value);
}

inline FloatLanes load(const float* from) {
  FloatLanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}
inline void store(float* to, FloatLanes lanes) {
  std::memcpy(to, &lanes, sizeof(lanes));
}
inline void store(std::uint8_t* to, IntLanes lanes) {
  std::memcpy(to, &lanes, sizeof(lanes));
}

// Lanes of `yes` where `mask` is -1, of `no` where it is 0.
inline IntLanes select(IntLanes mask, IntLanes yes, IntLanes no) {
  return (yes & mask) | (no & ~mask);
}
inline FloatLanes select(IntLanes mask, FloatLanes yes, FloatLanes no) {
  return float_of(select(mask, bits_of(yes), bits_of(no)));
}

// Neither argument may be NaN. (The masked forms, all lanes on, keep GCC 12 from warning about its own
// header.)
#if defined(__AVX512F__)
inline FloatLanes smaller(FloatLanes a, FloatLanes b) {
  return _mm512_mask_min_ps(a, -1, a, b);
}
inline FloatLanes larger(FloatLanes a, FloatLanes b) {
  return _mm512_mask_max_ps(a, -1, a, b);
}
#elif defined(__AVX2__)
inline FloatLanes smaller(FloatLanes a, FloatLanes b) {
  return _mm256_min_ps(a, b);
}
inline FloatLanes larger(FloatLanes a, FloatLanes b) {
  return _mm256_max_ps(a, b);
}
#elif defined(__x86_64__)
inline FloatLanes smaller(FloatLanes a, FloatLanes b) {
  return _mm_min_ps(a, b);
}
inline FloatLanes larger(FloatLanes a, FloatLanes b) {
  return _mm_max_ps(a, b);
}
#else
inline FloatLanes smaller(FloatLanes a, FloatLanes b) {
  return select(a < b, a, b);
}
inline FloatLanes larger(FloatLanes a, FloatLanes b) {
  return select(a < b, b, a);
}
#endif

inline FloatLanes magnitude(FloatLanes value) {
  return float_of(bits_of(value) & 0x7fffffff);
}
// |value| with the sign of `sign`.
inline FloatLanes with_sign(FloatLanes value, FloatLanes sign) {
  return float_of((bits_of(value) & 0x7fffffff) | (bits_of(sign) & ~broadcast(0x7fffffff)));
}

// Adding 1.5 * 2^23 leaves an integer, rounded to nearest with ties to even, in the low bits: for |value| <
// 2^22.
constexpr float kRounder = 0x1.8p23f;
constexpr std::int32_t kRounderBits = 0x4b400000;
inline FloatLanes round_to_even(FloatLanes value) {
  return (value + kRounder) - kRounder;
}
inline IntLanes round_to_int(FloatLanes value) {
  return bits_of(value + kRounder) - kRounderBits;
}

// The nearest value that binary16 holds, for magnitudes below 65520 (ties to even).
inline FloatLanes round_to_fp16(FloatLanes value) {
  const IntLanes bits = bits_of(magnitude(value));
  const FloatLanes normal = float_of((bits + 0xfff + ((bits >> 13) & 1)) & ~0x1fff);
  const FloatLanes subnormal = (magnitude(value) + 0.5f) - 0.5f;  // multiples of 2^-24
  return with_sign(select(bits < 0x38800000, subnormal, normal), value);
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE

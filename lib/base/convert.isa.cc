// Compiled once per instruction-set level (BANTAM_ISA_NAMESPACE is isa_v2, isa_v3, ...). Only internal
// linkage here besides the table: a weak symbol compiled for AVX-512 must never serve baseline code.
#include <cstdint>
#include <cstring>

#include "base/convert_kernels.h"
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float widen_fp16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  const std::uint32_t normal = (magnitude << 13) + (112u << 23);
  const std::uint32_t subnormal =
      bits_of(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
  const std::uint32_t special =
      0x7f800000u | ((magnitude & 0x3ffu) << 13) | (magnitude > 0x7c00u ? 0x400000u : 0u);
  return float_of(sign | (magnitude < 0x0400u ? subnormal : magnitude >= 0x7c00u ? special : normal));
}

std::uint16_t narrow_fp16(float value) {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  const std::uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  const std::uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  const std::uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
  return static_cast<std::uint16_t>(sign | (magnitude > 0x7f800000u    ? nan
                                            : magnitude >= 0x477ff000u ? 0x7c00u
                                                                       : finite));
}

void fp16_to_float(const std::uint16_t* in, float* out, std::int64_t count) {
  std::int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  }
#endif
  for (; i < count; ++i) out[i] = widen_fp16(in[i]);
}

void float_to_fp16(const float* in, std::uint16_t* out, std::int64_t count) {
  std::int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < count; ++i) out[i] = narrow_fp16(in[i]);
}

void bf16_to_float(const std::uint16_t* in, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = float_of(static_cast<std::uint32_t>(in[i]) << 16);
}

void float_to_bf16(const float* in, std::uint16_t* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = bits_of(in[i]);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const std::uint32_t nan = (bits >> 16) | 0x40u;
    out[i] = static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

// Magnitudes compare as integers, NaN above infinity: one integer maximum finds both.
float max_abs(const float* in, std::int64_t count) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t magnitude = bits_of(in[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return float_of(largest > 0x7f800000u ? 0x7f800000u : largest);
}

}  // namespace

extern const ConvertKernels kConvertKernels;
const ConvertKernels kConvertKernels = {fp16_to_float, bf16_to_float, float_to_fp16, float_to_bf16, max_abs};

}  // namespace bantam::BANTAM_ISA_NAMESPACE

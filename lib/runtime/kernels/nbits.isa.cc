// Decoding of 2, 4 and 8 bit codes into panels, and products with them. Compiled once per instruction-set
// level; only internal linkage besides the table. Plain loops over the columns of a panel, which GCC turns
// into vectors.
#include <cstdint>

#include "runtime/kernels/kernels.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

#if defined(__AVX512F__)
constexpr int kColumns = 32;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int kColumns = 16;
#else
constexpr int kColumns = 8;
#endif

float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// One row of codes as floats: column j is code j / kBytes of byte j % kBytes.
template <int kBits>
void widen(const std::uint8_t* codes, float* out) {
  constexpr int kBytes = kColumns * kBits / 8;
  constexpr unsigned kMask = (1u << kBits) - 1;
  for (int part = 0; part < 8 / kBits; ++part) {
    for (int j = 0; j < kBytes; ++j) {
      out[part * kBytes + j] =
          static_cast<float>(static_cast<std::int32_t>(codes[j] >> (part * kBits) & kMask));
    }
  }
}

template <int kBits>
void decode_bits(const std::uint8_t* codes, const float* scales, const float* zeros, std::int64_t block,
                 std::int64_t rows, float* out) {
  for (std::int64_t begin = 0; begin < rows; begin += block) {
    const std::int64_t end = begin + block < rows ? begin + block : rows;
    for (std::int64_t p = begin; p < end; ++p) {
      float values[kColumns];
      widen<kBits>(codes, values);
      for (int j = 0; j < kColumns; ++j) out[j] = (values[j] - zeros[j]) * scales[j];
      codes += kColumns * kBits / 8;
      out += kColumns;
    }
    scales += kColumns;
    zeros += kColumns;
  }
}

// sum over k of a * (code - zero) * scale, block by block: (sum of a * code - zero * sum of a) * scale.
template <int kBits>
void row_bits(const float* a, const std::uint8_t* codes, const float* scales, const float* zeros,
              std::int64_t block, std::int64_t k, float* out) {
  float total[kColumns] = {};
  for (std::int64_t begin = 0; begin < k; begin += block) {
    const std::int64_t end = begin + block < k ? begin + block : k;
    float sum[kColumns] = {};
    float sum_of_a = 0;
    for (std::int64_t p = begin; p < end; ++p) {
      float values[kColumns];
      widen<kBits>(codes, values);
      const float left = a[p];
      sum_of_a += left;
      for (int j = 0; j < kColumns; ++j) sum[j] = fma(left, values[j], sum[j]);
      codes += kColumns * kBits / 8;
    }
    for (int j = 0; j < kColumns; ++j) total[j] = fma(fma(-zeros[j], sum_of_a, sum[j]), scales[j], total[j]);
    scales += kColumns;
    zeros += kColumns;
  }
  for (int j = 0; j < kColumns; ++j) out[j] = total[j];
}

void decode(int bits, const std::uint8_t* codes, const float* scales, const float* zeros, std::int64_t block,
            std::int64_t rows, float* out) {
  if (bits == 2) return decode_bits<2>(codes, scales, zeros, block, rows, out);
  if (bits == 4) return decode_bits<4>(codes, scales, zeros, block, rows, out);
  decode_bits<8>(codes, scales, zeros, block, rows, out);
}

void row(int bits, const float* a, const std::uint8_t* codes, const float* scales, const float* zeros,
         std::int64_t block, std::int64_t k, float* out) {
  if (bits == 2) return row_bits<2>(a, codes, scales, zeros, block, k, out);
  if (bits == 4) return row_bits<4>(a, codes, scales, zeros, block, k, out);
  row_bits<8>(a, codes, scales, zeros, block, k, out);
}

}  // namespace

extern const NbitsKernels kNbitsKernels;
const NbitsKernels kNbitsKernels = {kColumns, decode, row};

}  // namespace bantam::BANTAM_ISA_NAMESPACE

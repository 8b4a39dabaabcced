// Decoding of 2, 4 and 8 bit codes into panels, and products with them. Compiled once per instruction-set
// level; only internal linkage besides the table. Decoding is a plain loop over the columns of a panel, which
// GCC turns into vectors. Sums are indexed by constants from a fold expression, see gemm_f32.isa.cc.
#include <cstdint>
#include <utility>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vec.isa.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr int kColumns = 2 * kVecLanes;

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

// The same as two vectors.
struct Pair {
  Vec left, right;
};
template <int kBits>
Pair widened(const std::uint8_t* codes) {
#if defined(__AVX512F__)
  if constexpr (kBits == 4) {
    // A table lookup looks at the low four bits alone, and needs no conversion.
    const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    return {_mm512_permutexvar_ps(bytes, table), _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), table)};
  }
#elif defined(__AVX2__)
  if constexpr (kBits == 4) {
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)));
    return {_mm256_cvtepi32_ps(_mm256_and_si256(bytes, _mm256_set1_epi32(15))),
            _mm256_cvtepi32_ps(_mm256_srli_epi32(bytes, 4))};
  }
#endif
  float values[kColumns];
  widen<kBits>(codes, values);
  return {load(values), load(values + kVecLanes)};
}

// Sums that grow side by side, since one chain of additions would wait for every result.
constexpr int kChains = 4;

// Sum of a * code over the k of one block.
template <int kBits, std::size_t... I>
Pair block_sum(std::index_sequence<I...>, const float* a, const std::uint8_t* codes, std::int64_t count) {
  constexpr int kBytes = kColumns * kBits / 8;
  Vec left[sizeof...(I)];
  Vec right[sizeof...(I)];
  ((left[I] = zero(), right[I] = zero()), ...);
  std::int64_t p = 0;
  for (; p + kChains <= count; p += kChains, codes += kChains * kBytes) {
    (
        [&] {
          const Pair values = widened<kBits>(codes + I * kBytes);
          const Vec factor = broadcast(a + p + I);
          left[I] = fma(factor, values.left, left[I]);
          right[I] = fma(factor, values.right, right[I]);
        }(),
        ...);
  }
  for (; p < count; ++p, codes += kBytes) {
    const Pair values = widened<kBits>(codes);
    const Vec factor = broadcast(a + p);
    left[0] = fma(factor, values.left, left[0]);
    right[0] = fma(factor, values.right, right[0]);
  }
  return {add(add(left[0], left[1]), add(left[2], left[3])),
          add(add(right[0], right[1]), add(right[2], right[3]))};
}

// sum over k of a * (code - zero) * scale, block by block: (sum of a * code - zero * sum of a) * scale.
template <int kBits>
void row_bits(const float* a, const float* block_sums, const std::uint8_t* codes, const float* scales,
              const float* zeros, std::int64_t block, std::int64_t k, float* out) {
  Pair total = {zero(), zero()};
  for (std::int64_t begin = 0; begin < k; begin += block) {
    const std::int64_t count = begin + block < k ? block : k - begin;
    const Pair sum = block_sum<kBits>(std::make_index_sequence<kChains>(), a + begin, codes, count);
    const float negative = -*block_sums++;
    const Vec shift = broadcast(&negative);
    total.left = fma(fma(load(zeros), shift, sum.left), load(scales), total.left);
    total.right = fma(fma(load(zeros + kVecLanes), shift, sum.right), load(scales + kVecLanes), total.right);
    codes += count * (kColumns * kBits / 8);
    scales += kColumns;
    zeros += kColumns;
  }
  store(out, total.left);
  store(out + kVecLanes, total.right);
}

void decode(int bits, const std::uint8_t* codes, const float* scales, const float* zeros, std::int64_t block,
            std::int64_t rows, float* out) {
  if (bits == 2) return decode_bits<2>(codes, scales, zeros, block, rows, out);
  if (bits == 4) return decode_bits<4>(codes, scales, zeros, block, rows, out);
  decode_bits<8>(codes, scales, zeros, block, rows, out);
}

void row(int bits, const float* a, const float* block_sums, const std::uint8_t* codes, const float* scales,
         const float* zeros, std::int64_t block, std::int64_t k, float* out) {
  if (bits == 2) return row_bits<2>(a, block_sums, codes, scales, zeros, block, k, out);
  if (bits == 4) return row_bits<4>(a, block_sums, codes, scales, zeros, block, k, out);
  row_bits<8>(a, block_sums, codes, scales, zeros, block, k, out);
}

}  // namespace

extern const NbitsKernels kNbitsKernels;
const NbitsKernels kNbitsKernels = {kColumns, decode, row};

}  // namespace bantam::BANTAM_ISA_NAMESPACE

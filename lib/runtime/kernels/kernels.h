#pragma once

#include <cstdint>

#include "base/isa.h"

namespace bantam {

// The hot loops of the runtime, compiled once per instruction-set level (*.isa.cc) and once as plain scalar
// code (reference.cc), which is the oracle of the tests. Integer kernels agree exactly between all of them;
// float kernels to about 1e-6 relative, since fused multiply-add and summation order differ.

enum class Activation : std::uint8_t { kNone, kRelu, kGeluErf, kGeluTanh, kTanh, kSigmoid, kSilu };

// A float tile: rows <= `rows`, columns <= `columns`.
struct GemmF32Kernel {
  int rows;
  int columns;
  // c[m, n] = a[m, k] * panel[k, columns] (+ bias[columns]), or c += a * panel with `add`. `lda`, `ldc`:
  // floats between rows. m in [1, rows], n in [1, columns]; panel and bias always hold `columns` columns.
  void (*tile)(int m, int n, std::int64_t k, const float* a, std::int64_t lda, const float* panel,
               const float* bias, float* c, std::int64_t ldc, bool add);
};

// An integer tile: a is unsigned, the panel signed; sums in int32 are exact modulo 2^32.
struct GemmS8Kernel {
  int rows;
  int columns;
  int a_bytes;  // 1: a is uint8; 2: a is uint16
  // c[m, columns] = a[m, 4 * groups] * panel, with panel [groups][columns][4]. `lda`, `ldc`: elements between
  // rows.
  void (*tile)(int m, std::int64_t groups, const void* a, std::int64_t lda, const std::int8_t* panel,
               std::int32_t* c, std::int64_t ldc);
  // out[j] = (c[j] + column_terms[j] - row_sum * zeros[j]) * scales[j] + bias[j]; zeros and bias may be null.
  void (*to_float)(const std::int32_t* c, std::int32_t row_sum, const std::int32_t* column_terms,
                   const std::int32_t* zeros, const float* scales, const float* bias, float* out,
                   std::int64_t count);
  // out[j] = c[j] + column_terms[j] - row_sum * zeros[j]; zeros may be null. count is at most `columns` in
  // both.
  void (*to_int)(const std::int32_t* c, std::int32_t row_sum, const std::int32_t* column_terms,
                 const std::int32_t* zeros, std::int32_t* out, std::int64_t count);
};

// Weights of 2, 4 or 8 bits in the layout of PackedNbits (gemm_nbits.h). `columns` is that of the float
// kernel.
struct NbitsKernels {
  int columns;
  // out[rows, columns] = (code - zero) * scale; the first row starts a block, scales and zeros advance per
  // block.
  void (*decode)(int bits, const std::uint8_t* codes, const float* scales, const float* zeros,
                 std::int64_t block, std::int64_t rows, float* out);
  // out[columns] = a[k] * W; block_sums holds the sum of every block of a.
  void (*row)(int bits, const float* a, const float* block_sums, const std::uint8_t* codes,
              const float* scales, const float* zeros, std::int64_t block, std::int64_t k, float* out);
};

struct VectorKernels {
  // out[i] = f(in[i]); in and out may be the same.
  void (*exp)(const float* in, float* out, std::int64_t count);
  void (*erf)(const float* in, float* out, std::int64_t count);
  // kNone copies.
  void (*activate)(Activation activation, const float* in, float* out, std::int64_t count);
  // in-place softmax of one row; `log`: its logarithm. A row of -infinity becomes NaN, as numpy's.
  void (*softmax)(float* row, std::int64_t count, bool log);
  // row = softmax(scale * row) in place, where the denominator also counts exp(sink) (-infinity: nothing).
  // scale > 0. A row in which everything is -infinity becomes zeros.
  void (*attention_softmax)(float* row, std::int64_t count, float scale, float sink);
  // row[i] = scale * row[i] + bias[i].
  void (*scale_add)(float* row, float scale, const float* bias, std::int64_t count);
  // out[i] = a[i] + b[i]; out may be a or b.
  void (*add)(const float* a, const float* b, float* out, std::int64_t count);
  // Sum of a[i] * b[i]; y[i] += alpha * x[i].
  float (*dot)(const float* a, const float* b, std::int64_t count);
  void (*axpy)(float alpha, const float* x, float* y, std::int64_t count);
  // out = (x - mean) / sqrt(variance + epsilon) * gain + shift; gain and shift may be null. Without `center`
  // the mean is taken as 0 (RMS normalization). Writes mean and 1 / sqrt(...) where asked.
  void (*normalize)(const float* x, const float* gain, const float* shift, float epsilon, bool center,
                    float* out, std::int64_t count, float* mean, float* inverse);
  // Smallest and largest value; +infinity and -infinity for no values. NaN is passed over.
  void (*min_max)(const float* in, std::int64_t count, float* low, float* high);
  // round(in / scale) + zero, ties to even, clamped to [0, 255] (as int8: to [-128, 127]).
  void (*quantize_u8)(const float* in, float scale, std::int32_t zero, std::uint8_t* out, std::int64_t count);
  void (*quantize_s8)(const float* in, float scale, std::int32_t zero, std::int8_t* out, std::int64_t count);
};

struct Kernels {
  GemmF32Kernel f32;
  GemmS8Kernel s8;
  NbitsKernels nbits;
  VectorKernels vector;
};

const Kernels& kernels(Isa isa);
const Kernels& kernels();            // the level that base/isa.h chose
const Kernels& reference_kernels();  // plain scalar code

}  // namespace bantam

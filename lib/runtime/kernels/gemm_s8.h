#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "runtime/kernels/kernels.h"
#include "runtime/memory.h"

namespace bantam {

// Integer matrix products: sum over k of (a[m, k] - a_zero) * (b[k, n] - b_zero[n]) in int32, exact (modulo
// 2^32) on every instruction-set level. Inside, A is unsigned and B signed; the other kinds are shifted by
// 128 together with their zero points, and the zero points are applied to the finished sums by row and column
// sums of A and B.

// B [k, n] as signed bytes in the panels of the kernel, with the sum of every column.
struct PackedS8 {
  const Kernels* kernels = nullptr;
  std::int64_t k = 0;
  std::int64_t n = 0;
  bool was_unsigned = false;  // 128 has been taken from every value
  const std::int8_t* panels = nullptr;
  const std::int32_t* column_sums = nullptr;
  std::shared_ptr<const void> storage;
};

// `b` holds int8 or, with `is_unsigned`, uint8 values: [k, n] with `stride` bytes between rows or, with
// `transposed`, [n, k].
PackedS8 pack_s8(const Kernels& kernels, const void* b, bool is_unsigned, std::int64_t stride,
                 bool transposed, std::int64_t k, std::int64_t n, Memory& memory, ThreadPool& pool);

struct IntegerA {
  const void* values = nullptr;  // [m, k], uint8 or int8
  bool is_signed = false;
  std::int64_t m = 0;
  std::int64_t stride = 0;              // bytes between rows
  std::int32_t zero = 0;                // for all rows, or
  const std::int32_t* zeros = nullptr;  // one per row
};

// What becomes of the sums. Without scales they are stored as int32; with scales as float:
// sum * scales[n] + bias[n], then the activation.
struct IntegerOutput {
  void* c = nullptr;                      // [m, n] int32 or float
  std::int64_t stride = 0;                // elements between rows
  const std::int32_t* b_zeros = nullptr;  // n values or null: as they were before packing
  const float* scales = nullptr;          // n values: a's scale times b's
  const float* bias = nullptr;
  Activation activation = Activation::kNone;
};

void gemm_s8(const IntegerA& a, const PackedS8& b, const IntegerOutput& output, Memory& memory,
             ThreadPool& pool);

}  // namespace bantam

#pragma once

#include <cstdint>
#include <memory>

#include "base/parallel.h"
#include "runtime/kernels/kernels.h"
#include "runtime/memory.h"

namespace bantam {

// Float matrix products, row-major: C[m, n] = A[m, k] * B[k, n]. B is laid out in column panels first, A is
// read in place and a register-blocked tile kernel does the rest (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008).

// What happens to C after the product: + bias[n], then the activation.
struct Epilogue {
  const float* bias = nullptr;
  Activation activation = Activation::kNone;
};

// B[k, n] in panels of the kernel's width, [ceil(n / width)][k][width], the last one padded with zeros.
struct PackedB {
  const Kernels* kernels = nullptr;
  std::int64_t k = 0;
  std::int64_t n = 0;
  const float* panels = nullptr;
  std::shared_ptr<const void> storage;  // keeps `panels` alive; null when they lie in scratch memory
};

// Floats that a packed [k, n] takes.
std::int64_t packed_floats(const Kernels& kernels, std::int64_t k, std::int64_t n);

// `b` is [k, n] with `stride` floats between rows or, with `transposed`, [n, k].
PackedB pack_b(const Kernels& kernels, const float* b, std::int64_t stride, bool transposed, std::int64_t k,
               std::int64_t n, Memory& memory, ThreadPool& pool);
// The same by one thread into `scratch` of packed_floats() floats.
PackedB pack_b_into(const Kernels& kernels, const float* b, std::int64_t stride, bool transposed,
                    std::int64_t k, std::int64_t n, float* scratch);

// `lda`, `ldc`: floats between rows. k of 0 gives the bias or zeros.
void gemm(std::int64_t m, const float* a, std::int64_t lda, const PackedB& b, float* c, std::int64_t ldc,
          const Epilogue& epilogue, ThreadPool& pool);
// By the calling thread alone.
void gemm_serial(std::int64_t m, const float* a, std::int64_t lda, const PackedB& b, float* c,
                 std::int64_t ldc, const Epilogue& epilogue);

}  // namespace bantam

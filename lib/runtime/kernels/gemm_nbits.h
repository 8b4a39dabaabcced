#pragma once

#include <cstdint>
#include <memory>

#include "base/parallel.h"
#include "runtime/kernels/gemm.h"
#include "runtime/kernels/kernels.h"
#include "runtime/memory.h"

namespace bantam {

// Products with a weight of 2, 4 or 8 bits in blocks: w[k, n] = (code - zero) * scale with one scale and zero
// per block of consecutive k of a column (com.microsoft.MatMulNBits).

// The weight as MatMulNBits stores it.
struct NbitsWeight {
  int bits = 4;
  std::int64_t k = 0, n = 0, block = 32;
  const std::uint8_t* codes = nullptr;  // [n, blocks, block * bits / 8], low bits first
  const float* scales = nullptr;        // [n, blocks]
  // At most one of the two; neither: 2^(bits - 1).
  const std::uint8_t* zero_codes = nullptr;  // [n, ceil(blocks * bits / 8)], low bits first
  const float* zeros = nullptr;              // [n, blocks]

  std::int64_t blocks() const { return (k + block - 1) / block; }
};

// The same in the column panels of the kernel: codes [panels][k][columns * bits / 8], scales and zeros
// [panels][blocks][columns].
struct PackedNbits {
  const Kernels* kernels = nullptr;
  int bits = 4;
  std::int64_t k = 0, n = 0, block = 32;
  const std::uint8_t* codes = nullptr;
  const float* scales = nullptr;
  const float* zeros = nullptr;
  std::shared_ptr<const void> storage;
};

PackedNbits pack_nbits(const Kernels& kernels, const NbitsWeight& weight, Memory& memory, ThreadPool& pool);

// C[m, n] = A[m, k] * W, row-major.
void gemm_nbits(std::int64_t m, const float* a, std::int64_t lda, const PackedNbits& b, float* c,
                std::int64_t ldc, const Epilogue& epilogue, Memory& memory, ThreadPool& pool);

// Rounds every block of `block` values of every row to int8 with scale absmax / 127 and back: what
// MatMulNBits with accuracy level 4 does to its activations. `out` has the shape of `a`, rows of k floats.
void round_activations(const float* a, std::int64_t m, std::int64_t k, std::int64_t block, float* out,
                       ThreadPool& pool);

}  // namespace bantam

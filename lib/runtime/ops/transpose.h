#pragma once

#include <cstdint>
#include <span>

#include "runtime/op.h"

namespace bantam {

// `x` with its axes in the order `permutation` (a permutation of 0..rank-1), as a new tensor; a view when no
// element moves.
Tensor transposed(const Tensor& x, std::span<const std::int64_t> permutation, Memory& memory,
                  ThreadPool& pool);

}  // namespace bantam

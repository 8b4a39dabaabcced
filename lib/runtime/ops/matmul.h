#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "graph/shape.h"

namespace bantam {

// The shapes of numpy's matmul: leading axes broadcast, a vector is a row on the left and a column on the
// right.
struct MatMulShape {
  std::int64_t m = 0, k = 0, n = 0;
  Shape left_batch, right_batch, batch;
  Shape output;
};
MatMulShape matmul_shape(const Shape& a, const Shape& b);

// For every product of the batch, which matrix of each side it takes.
std::vector<std::array<std::int64_t, 2>> matmul_pairs(const MatMulShape& shape);

}  // namespace bantam

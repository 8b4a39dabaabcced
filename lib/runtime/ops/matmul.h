#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
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

// C[m, n] = A[m, k] * B[k, n] for the types that have no tuned kernel: integers wrap around, doubles add in
// order.
template <typename T>
void plain_product(const T* a, const T* b, T* c, std::int64_t m, std::int64_t k, std::int64_t n) {
  using Sum =
      typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;
  for (std::int64_t i = 0; i < m; ++i) {
    std::vector<Sum> row(static_cast<std::size_t>(n));
    for (std::int64_t p = 0; p < k; ++p) {
      const auto left = static_cast<Sum>(a[i * k + p]);
      for (std::int64_t j = 0; j < n; ++j)
        row[static_cast<std::size_t>(j)] += left * static_cast<Sum>(b[p * n + j]);
    }
    for (std::int64_t j = 0; j < n; ++j) c[i * n + j] = static_cast<T>(row[static_cast<std::size_t>(j)]);
  }
}

}  // namespace bantam

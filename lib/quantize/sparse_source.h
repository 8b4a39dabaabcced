#pragma once

#include <cstdint>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

// `source` [rows, width] with the share of every row's elements set to zero that have the least
// |scored[row, k]| * columns[k]: floor(share * width) of them, of equals the first. `scored` is a tensor of
// the same shape (`source` itself, or it in another scaling), `columns` [width] the size of what each column
// meets (Wanda, Sun et al. 2023, arXiv 2306.11695), or empty for ones (magnitude: Han et al. 2015, arXiv
// 1506.02626). Rows are read as they are asked for, nothing is kept. What is not a number is not left out.
// Both sources hold floats; 0 <= share < 1.
std::int64_t zeros_per_row(double share, std::int64_t width);
TensorSourcePtr make_sparse_source(TensorSourcePtr source, TensorSourcePtr scored, std::vector<float> columns,
                                   double share);

}  // namespace bantam

#pragma once

#include <map>
#include <memory>
#include <vector>

#include "graph/graph.h"
#include "graph/tensor_source.h"

namespace bantam {

// Factors of the rows and columns of a weight seen as a matrix [rows, width]; an empty list means 1 for all.
struct AxisFactors {
  std::vector<double> rows;
  std::vector<double> columns;
};

// `source` times row and column factor, in float32: value, row and column are multiplied in double precision
// and rounded once, so that powers of two lose nothing. Rows are read as they are asked for. The source must
// hold floats, the lists as many factors as it has rows and columns.
TensorSourcePtr make_scaled_source(TensorSourcePtr source, AxisFactors factors);

// `model` with other sources for some weights.
Graph with_sources(const Graph& model, const std::map<const TensorSource*, TensorSourcePtr>& sources);

}  // namespace bantam

#pragma once

#include <string>
#include <vector>

#include "graph/tensor_source.h"

// Tensors that are stored otherwise than the graph reads them. Nothing is read before read() is called.
namespace bantam {

// source + 1 in float32: the gains of Gemma's norms.
TensorSourcePtr make_plus_one_source(TensorSourcePtr source);

// These rows of `source`, in this order, under another name: one of several layers that are stored as one.
// The ranges must not be empty and lie inside the source.
TensorSourcePtr make_rows_source(std::string name, TensorSourcePtr source, std::vector<RowRange> ranges);

// The matrix [rows, columns] as [columns, rows], of a model whose layers are stored [in, out]. What lies in a
// file as it is (place()) is gathered from there: a read touches no more than it returns. Other sources are
// read whole for every read, a few MiB at a time.
TensorSourcePtr make_transposed_source(TensorSourcePtr source);

}  // namespace bantam

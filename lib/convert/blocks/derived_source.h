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

// The matrix [rows, columns] as [columns, rows]. Every read reads the whole source, so that it suits the
// layers of small models: those of GPT-2 are stored [in, out].
TensorSourcePtr make_transposed_source(TensorSourcePtr source);

}  // namespace bantam

#pragma once

#include <filesystem>
#include <vector>

#include "graph/graph.h"
#include "pipeline/inspect.h"

namespace bantam {

InspectedGraph inspect_graph(const Graph& graph);

// A tensor that an imported graph stores, and the values that read it: initializers that share their bytes (a
// tied embedding and head) are one tensor.
struct StoredTensor {
  TensorSpec spec;
  FilePlace place;
  std::vector<ValueId> values;
};
std::vector<StoredTensor> stored_tensors(const Graph& graph);

// The same for the ONNX file at `path`, in the order of their bytes, then those that were read with the
// graph.
std::vector<InspectedTensor> inspect_tensors(const Graph& graph, const std::filesystem::path& path);

// Elements of an imported graph's weights. Quantized ones count by what they stand for (K x N of
// MatMulNBits); their scales and zero points, integers that are no weights, and scalars do not count.
std::int64_t parameter_count(const Graph& graph);

}  // namespace bantam

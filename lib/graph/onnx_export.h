#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// Where one part of a weight lies in the external data files.
struct ExternalLocation {
  std::string file;  // bare file name beside the .onnx
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

// Serializes the graph as a ModelProto. Weights become external initializers at location(weight index, part
// index); constants stay inline. Deterministic bytes. `producer_version` is the tool's version.
std::string export_onnx(
    const Graph& graph, const std::string& producer_version,
    const std::function<ExternalLocation(std::size_t weight, std::size_t part)>& location);

}  // namespace bantam

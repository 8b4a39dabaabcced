#pragma once

#include <filesystem>

#include "graph/graph.h"

namespace bantam {

// Reads an .onnx file into a Graph. Initializers become weights (one part, float_codec or raw bytes) whose sources
// point into the file or its external data; small ones (up to `inline_bytes`) become constants. Hostile input:
// sizes, cycles, dangling names, external files outside the folder and ranges outside the file are errors.
// Subgraphs (If, Loop, Scan) are refused with the node's name.
Graph import_onnx(const std::filesystem::path& path);

}  // namespace bantam

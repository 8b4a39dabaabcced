#pragma once

#include <cstdint>
#include <filesystem>

#include "graph/graph.h"

namespace bantam {

// Initializers and Constant nodes of at most this many bytes become constants of the graph; larger ones
// weights.
inline constexpr std::int64_t kMaxImportedConstantBytes = 1024;

// Reads an .onnx file into a Graph. Initializers become weights with one part (float_codec for F32, F16 and
// BF16, raw_codec for the rest) whose sources point into the file or into its external data; small ones and
// Constant nodes become constants. No weight byte is read. An initializer that is also listed as an input (IR
// 3 wrote all of them so; later it is a default value) is not an input of the graph. Nodes are sorted
// topologically. Hostile input: lying sizes, cycles, dangling or repeated names, external files outside the
// folder, ranges outside the file and unknown element types are errors. So are subgraphs (If, Loop, Scan),
// local functions, sparse initializers and inputs that are not tensors, by name.
Graph import_onnx(const std::filesystem::path& path);

}  // namespace bantam

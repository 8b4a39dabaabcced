#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace bantam {

// Where the raw_data of an initializer lies in the .onnx file; size -1: the initializer has none.
struct RawRange {
  std::int64_t offset = 0;
  std::int64_t size = -1;
};

struct OnnxSkeleton {
  std::string model;          // a serialized ModelProto whose initializers carry no raw_data
  std::vector<RawRange> raw;  // per graph.initializer, in order
};

// Reads a serialized ModelProto without the weights that lie inside it: walks protobuf's wire format (tags,
// varints, length-delimited fields) and leaves out graph.initializer.raw_data, remembering its place. So a
// model of gigabytes costs what its structure costs, and weights are read from the file when they are needed.
OnnxSkeleton read_onnx_skeleton(const File& file);

}  // namespace bantam

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "graph/graph.h"

namespace onnx {
class TensorProto;
}

namespace bantam {

// Element type and shape of a TensorProto, checked: known type, no negative dimension, a size that fits into
// int64.
TensorSpec tensor_spec_of(const onnx::TensorProto& proto);

// A TensorProto whose values lie inside the message (raw_data or the typed fields) as bytes. The number of
// values must agree with the shape. External data is refused here.
TensorData tensor_data_of(const onnx::TensorProto& proto);

// Reads a serialized TensorProto: the .pb files of ONNX test data. `name` receives the tensor's name when
// given.
TensorData read_tensor_file(const std::filesystem::path& path, std::string* name = nullptr);

}  // namespace bantam

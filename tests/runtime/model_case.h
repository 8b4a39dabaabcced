#pragma once

// A model with recorded inputs and outputs, in the layout of the ONNX backend tests: model.onnx beside
// test_data_set_0/input_0.pb, output_0.pb, ... (serialized TensorProtos, numbered as the graph lists them).

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/convert_kernels.h"
#include "base/error.h"
#include "graph/onnx_tensor.h"
#include "runtime/session.h"

namespace bantam::testing_support {

// The suite's own relative tolerance: some of its recorded outputs come from other formulas.
struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-6;
};

// A recorded tensor; old files of the suite store bfloat16 as uint16.
inline Tensor read_recorded(const std::filesystem::path& path, DType declared) {
  const Tensor tensor = Tensor::from(read_tensor_file(path));
  const bool disguised = declared == DType::kBF16 && tensor.dtype() == DType::kU16;
  return disguised ? tensor.retyped(declared, tensor.shape()) : tensor;
}

inline std::vector<double> as_doubles(const Tensor& tensor) {
  std::vector<double> values;
  const auto append = [&](const auto& span) { values.assign(span.begin(), span.end()); };
  switch (tensor.dtype()) {
    case DType::kF32:
      append(tensor.data<float>());
      break;
    case DType::kF64:
      append(tensor.data<double>());
      break;
    case DType::kI64:
      append(tensor.data<std::int64_t>());
      break;
    case DType::kI32:
      append(tensor.data<std::int32_t>());
      break;
    case DType::kI16:
      append(tensor.data<std::int16_t>());
      break;
    case DType::kI8:
      append(tensor.data<std::int8_t>());
      break;
    case DType::kU64:
      append(tensor.data<std::uint64_t>());
      break;
    case DType::kU32:
      append(tensor.data<std::uint32_t>());
      break;
    case DType::kU16:
      append(tensor.data<std::uint16_t>());
      break;
    case DType::kU8:
    case DType::kBool:
      append(tensor.data<std::uint8_t>());
      break;
    case DType::kF16:
    case DType::kBF16: {
      std::vector<float> floats(static_cast<std::size_t>(tensor.count()));
      const auto convert =
          tensor.dtype() == DType::kF16 ? convert_kernels().fp16_to_float : convert_kernels().bf16_to_float;
      convert(tensor.data<std::uint16_t>().data(), floats.data(), tensor.count());
      append(floats);
      break;
    }
    default:
      fail("{} cannot be compared", name(tensor.dtype()));
  }
  return values;
}

// Empty when the tensors agree, else what differs. Integers, bools, strings and 4-bit values must be equal.
inline std::string difference(const Tensor& actual, const Tensor& expected, Tolerance tolerance) {
  if (actual.dtype() != expected.dtype()) {
    return fmt::format("{} where {} was expected", name(actual.dtype()), name(expected.dtype()));
  }
  if (actual.shape() != expected.shape()) {
    return fmt::format("shape {} where {} was expected", to_string(actual.shape()),
                       to_string(expected.shape()));
  }
  if (actual.dtype() == DType::kString) {
    return std::ranges::equal(actual.strings(), expected.strings()) ? "" : "strings differ";
  }
  if (info(actual.dtype()).bits < 8) {
    return std::ranges::equal(actual.bytes(), expected.bytes()) ? "" : "packed values differ";
  }
  if (actual.dtype() == DType::kF16)
    tolerance = {std::max(tolerance.relative, 2e-3), std::max(tolerance.absolute, 1e-3)};
  if (actual.dtype() == DType::kBF16)
    tolerance = {std::max(tolerance.relative, 1.6e-2), std::max(tolerance.absolute, 1e-2)};
  if (!is_float(actual.dtype())) tolerance = {0, 0};
  const std::vector<double> a = as_doubles(actual);
  const std::vector<double> e = as_doubles(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]))) continue;
    if (std::abs(a[i] - e[i]) <= tolerance.absolute + tolerance.relative * std::abs(e[i])) continue;
    return fmt::format("element {} is {} where {} was expected", i, a[i], e[i]);
  }
  return "";
}

// Runs every data set of the case folder; empty when all outputs agree, else the first difference.
inline std::string run_case(const std::filesystem::path& folder, const SessionOptions& options,
                            Tolerance tolerance) {
  namespace fs = std::filesystem;
  const Session session = Session::open(folder / "model.onnx", options);
  for (int set = 0;; ++set) {
    const fs::path data = folder / fmt::format("test_data_set_{}", set);
    if (!fs::is_directory(data)) return set > 0 ? "" : "no data set";
    Tensors inputs;
    for (std::size_t i = 0; i < session.inputs().size(); ++i) {
      const fs::path file = data / fmt::format("input_{}.pb", i);
      inputs[session.inputs()[i].name] = read_recorded(file, session.inputs()[i].dtype);
    }
    const Tensors outputs = session.run(inputs);
    for (std::size_t i = 0; i < session.outputs().size(); ++i) {
      const fs::path file = data / fmt::format("output_{}.pb", i);
      if (!fs::exists(file)) continue;
      const std::string& output = session.outputs()[i].name;
      const std::string found =
          difference(outputs.at(output), read_recorded(file, session.outputs()[i].dtype), tolerance);
      if (!found.empty()) return fmt::format("set {}: output {}: {}", set, output, found);
    }
  }
}

}  // namespace bantam::testing_support

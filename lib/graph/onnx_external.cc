#include "graph/onnx_external.h"

#include <onnx.pb.h>

#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "graph/onnx_skeleton.h"
#include "graph/onnx_tensor.h"

namespace bantam {
namespace {

std::int64_t number(const onnx::StringStringEntryProto& entry) {
  const std::string& text = entry.value();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    fail("external data {} {} is not a size", quote(entry.key()), quote(text));
  }
  return value;
}

ExternalTensor external_tensor(const onnx::TensorProto& proto) {
  ExternalTensor tensor;
  tensor.spec = tensor_spec_of(proto);
  tensor.length = tensor.spec.bytes();
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") tensor.location = entry.value();
    if (entry.key() == "offset") tensor.offset = number(entry);
    if (entry.key() == "length") tensor.length = number(entry);
  }
  return tensor;
}

}  // namespace

ExternalTensors read_external_tensors(const std::filesystem::path& path) {
  const File file = File::open_read(path);
  return with_context(path.string(), [&] {
    const OnnxSkeleton skeleton = read_onnx_skeleton(file);
    onnx::ModelProto model;
    if (!model.ParseFromString(skeleton.model))
      fail("is not an ONNX model: its protobuf text does not parse");
    ExternalTensors result;
    for (const RawRange& raw : skeleton.raw) result.inline_bytes += raw.size > 0 ? raw.size : 0;
    for (const onnx::TensorProto& proto : model.graph().initializer()) {
      if (proto.data_location() != onnx::TensorProto::EXTERNAL) continue;
      with_context("initializer " + quote(proto.name()),
                   [&] { result.tensors.push_back(external_tensor(proto)); });
    }
    return result;
  });
}

}  // namespace bantam

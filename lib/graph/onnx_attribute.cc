#include "graph/onnx_attribute.h"

#include <onnx.pb.h>

#include "base/error.h"
#include "graph/onnx_tensor.h"
#include "graph/unsupported.h"

namespace bantam {
namespace {

AttributeValue value_of(const onnx::AttributeProto& proto) {
  if (proto.has_ref_attr_name()) fail("refers to an attribute of a function");
  switch (proto.type()) {
    case onnx::AttributeProto::FLOAT:
      return proto.f();
    case onnx::AttributeProto::INT:
      return proto.i();
    case onnx::AttributeProto::STRING:
      return proto.s();
    case onnx::AttributeProto::TENSOR:
      return tensor_data_of(proto.t());
    case onnx::AttributeProto::FLOATS:
      return std::vector<float>(proto.floats().begin(), proto.floats().end());
    case onnx::AttributeProto::INTS:
      return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
    case onnx::AttributeProto::STRINGS:
      return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
    case onnx::AttributeProto::GRAPH:
    case onnx::AttributeProto::GRAPHS:
      fail_unsupported("subgraphs (If, Loop, Scan) are not supported");
    default:
      fail_unsupported("attribute type {} is not supported", static_cast<int>(proto.type()));
  }
}

}  // namespace

Attribute attribute_of(const onnx::AttributeProto& proto) {
  return with_context("attribute " + proto.name(), [&] { return Attribute{proto.name(), value_of(proto)}; });
}

}  // namespace bantam

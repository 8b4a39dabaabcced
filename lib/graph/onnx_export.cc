#include "graph/onnx_export.h"

#include <type_traits>

#include "base/error.h"
#include "onnx.pb.h"

namespace bantam {
namespace {

void set_dims(const Shape& shape, onnx::TensorProto& proto) {
  for (const std::int64_t dim : shape) proto.add_dims(dim);
}

void export_tensor(const TensorData& data, onnx::TensorProto& proto) {
  set_dims(data.shape, proto);
  proto.set_data_type(info(data.dtype).onnx);
  if (data.dtype == DType::kString) {
    for (const std::string& text : data.strings) proto.add_string_data(text);
  } else {
    proto.set_raw_data(data.bytes.data(), data.bytes.size());
  }
}

struct AttributeExporter {
  onnx::AttributeProto& proto;

  void operator()(std::int64_t value) const {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(value);
  }
  void operator()(float value) const {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(value);
  }
  void operator()(const std::string& value) const {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(value);
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    proto.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t value : values) proto.add_ints(value);
  }
  void operator()(const std::vector<float>& values) const {
    proto.set_type(onnx::AttributeProto::FLOATS);
    for (const float value : values) proto.add_floats(value);
  }
  void operator()(const std::vector<std::string>& values) const {
    proto.set_type(onnx::AttributeProto::STRINGS);
    for (const std::string& value : values) proto.add_strings(value);
  }
  void operator()(const TensorData& value) const {
    proto.set_type(onnx::AttributeProto::TENSOR);
    export_tensor(value, *proto.mutable_t());
  }
};

void export_node(const Graph& graph, const Node& node, onnx::NodeProto& proto) {
  const auto name_of = [&](ValueId id) { return id == kNoValue ? std::string() : graph.value(id).name; };
  proto.set_domain(node.domain);
  proto.set_op_type(node.type);
  proto.set_name(node.name);
  for (const ValueId id : node.inputs) proto.add_input(name_of(id));
  for (const ValueId id : node.outputs) proto.add_output(name_of(id));
  for (const Attribute& attribute : node.attributes) {
    onnx::AttributeProto& target = *proto.add_attribute();
    target.set_name(attribute.name);
    std::visit(AttributeExporter{target}, attribute.value);
  }
}

void export_value_info(const Value& value, onnx::ValueInfoProto& proto) {
  proto.set_name(value.name);
  onnx::TypeProto::Tensor& type = *proto.mutable_type()->mutable_tensor_type();
  type.set_elem_type(info(value.dtype).onnx);
  if (!value.has_dims) return;
  onnx::TensorShapeProto& shape = *type.mutable_shape();
  for (const Dim& dim : value.dims) {
    onnx::TensorShapeProto::Dimension& target = *shape.add_dim();
    if (dim.is_fixed()) {
      target.set_dim_value(dim.value);
    } else if (!dim.symbol.empty()) {
      target.set_dim_param(dim.symbol);
    }
  }
}

void add_entry(onnx::TensorProto& proto, std::string key, std::string value) {
  onnx::StringStringEntryProto& entry = *proto.add_external_data();
  entry.set_key(std::move(key));
  entry.set_value(std::move(value));
}

void export_weight_part(const Graph& graph, const WeightPart& part, const ExternalLocation& location,
                        onnx::GraphProto& proto) {
  for (std::size_t i = 0; i < part.values.size(); ++i) {
    onnx::TensorProto& tensor = *proto.add_initializer();
    tensor.set_name(graph.value(part.values[i]).name);
    tensor.set_data_type(info(part.stored).onnx);
    set_dims(part.shapes[i], tensor);
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    add_entry(tensor, "location", location.file);
    add_entry(tensor, "offset", std::to_string(location.offset));
    add_entry(tensor, "length", std::to_string(location.bytes));
  }
}

}  // namespace

std::string export_onnx(
    const Graph& graph, const std::string& producer_version,
    const std::function<ExternalLocation(std::size_t weight, std::size_t part)>& location) {
  onnx::ModelProto model;
  model.set_ir_version(graph.ir_version);
  model.set_producer_name("bantam");
  model.set_producer_version(producer_version);
  for (const auto& [domain, version] : graph.opsets) {
    onnx::OperatorSetIdProto& opset = *model.add_opset_import();
    opset.set_domain(domain);
    opset.set_version(version);
  }
  onnx::GraphProto& proto = *model.mutable_graph();
  proto.set_name(graph.name);
  for (const ValueId id : graph.inputs) export_value_info(graph.value(id), *proto.add_input());
  for (const ValueId id : graph.outputs) export_value_info(graph.value(id), *proto.add_output());
  for (const Constant& constant : graph.constants) {
    onnx::TensorProto& tensor = *proto.add_initializer();
    tensor.set_name(graph.value(constant.value).name);
    export_tensor(constant.data, tensor);
  }
  for (std::size_t w = 0; w < graph.weights.size(); ++w) {
    const std::vector<WeightPart>& parts = graph.weights[w].parts;
    for (std::size_t p = 0; p < parts.size(); ++p) export_weight_part(graph, parts[p], location(w, p), proto);
  }
  for (const Node& node : graph.nodes) export_node(graph, node, *proto.add_node());

  std::string bytes;
  // Protobuf refuses messages of 2 GiB; a graph comes near only when constants are not shape-sized.
  if (!model.SerializeToString(&bytes))
    fail("{}: the graph does not fit into one protobuf message", graph.name);
  return bytes;
}

}  // namespace bantam

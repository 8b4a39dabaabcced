#include "graph/builder.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace bantam {
namespace {

template <typename T>
std::vector<std::byte> copy_bytes(std::span<const T> values) {
  std::vector<std::byte> bytes(values.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

}  // namespace

std::vector<std::byte> bytes_of(std::span<const std::int64_t> values) {
  return copy_bytes(values);
}
std::vector<std::byte> bytes_of(std::span<const float> values) {
  return copy_bytes(values);
}

GraphBuilder::Scope::Scope(GraphBuilder& builder, std::string_view name)
    : builder_(builder), length_(builder.prefix_.size()) {
  builder_.prefix_ += '/';
  builder_.prefix_ += name;
}
GraphBuilder::Scope::~Scope() {
  builder_.prefix_.resize(length_);
}

std::string GraphBuilder::unique(std::string_view base) {
  std::string name = prefix_ + "/" + std::string(base);
  const auto known =
      std::find_if(counters_.begin(), counters_.end(), [&](const auto& c) { return c.first == name; });
  if (known == counters_.end()) {
    counters_.emplace_back(name, 0);
    return name;
  }
  return name + "_" + std::to_string(++known->second);
}

ValueId GraphBuilder::input(std::string name, DType dtype, std::vector<Dim> dims) {
  const ValueId id = graph_.add_value(std::move(name), dtype);
  graph_.value(id).has_dims = true;
  graph_.value(id).dims = std::move(dims);
  graph_.inputs.push_back(id);
  return id;
}

void GraphBuilder::output(ValueId value, std::string name, std::vector<Dim> dims) {
  Value& named = graph_.value(value);
  named.name = std::move(name);
  named.has_dims = true;
  named.dims = std::move(dims);
  graph_.outputs.push_back(value);
}

std::vector<ValueId> GraphBuilder::op_many(std::string_view type, std::span<const ValueId> inputs,
                                           int outputs, std::vector<Attribute> attributes, DType dtype,
                                           std::string_view domain) {
  return op_wanted(type, inputs, std::vector<bool>(static_cast<std::size_t>(outputs), true),
                   std::move(attributes), dtype, domain);
}

std::vector<ValueId> GraphBuilder::op_some(std::string_view type, std::span<const ValueId> inputs,
                                           std::initializer_list<bool> wanted,
                                           std::vector<Attribute> attributes, DType dtype,
                                           std::string_view domain) {
  return op_wanted(type, inputs, wanted, std::move(attributes), dtype, domain);
}

std::vector<ValueId> GraphBuilder::op_wanted(std::string_view type, std::span<const ValueId> inputs,
                                             const std::vector<bool>& wanted,
                                             std::vector<Attribute> attributes, DType dtype,
                                             std::string_view domain) {
  if (dtype == DType::kUndefined) {
    for (const ValueId input : inputs) {
      if (input == kNoValue) continue;
      dtype = graph_.value(input).dtype;
      break;
    }
  }
  if (!domain.empty()) graph_.opsets.try_emplace(std::string(domain), 1);
  Node node;
  node.domain = domain;
  node.type = type;
  node.name = unique(type);
  node.inputs.assign(inputs.begin(), inputs.end());
  node.attributes = std::move(attributes);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    node.outputs.push_back(wanted[i] ? graph_.add_value(node.name + "_output_" + std::to_string(i), dtype)
                                     : kNoValue);
  }
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back().outputs;
}

ValueId GraphBuilder::op(std::string_view type, std::initializer_list<ValueId> inputs,
                         std::vector<Attribute> attributes, DType dtype, std::string_view domain) {
  return op_many(type, std::span(inputs.begin(), inputs.size()), 1, std::move(attributes), dtype, domain)[0];
}

ValueId GraphBuilder::cast(ValueId value, DType to) {
  return op("Cast", {value}, {{"to", std::int64_t{info(to).onnx}}}, to);
}

ValueId GraphBuilder::constant(TensorData data, std::string_view hint) {
  for (const Constant& known : graph_.constants) {
    if (known.data.dtype == data.dtype && known.data.shape == data.shape && known.data.bytes == data.bytes) {
      return known.value;
    }
  }
  std::string name = "/constant/" + std::string(hint);
  const auto taken = [&](const std::string& candidate) {
    return std::any_of(graph_.constants.begin(), graph_.constants.end(),
                       [&](const Constant& c) { return graph_.value(c.value).name == candidate; });
  };
  for (int i = 1; taken(name); ++i) name = "/constant/" + std::string(hint) + "_" + std::to_string(i);
  const ValueId id = graph_.add_value(std::move(name), data.dtype);
  graph_.constants.push_back({id, std::move(data)});
  return id;
}

ValueId GraphBuilder::constant(std::span<const std::int64_t> values) {
  std::string hint = "i64";
  for (const std::int64_t value : values) hint += "_" + std::to_string(value);
  return constant(TensorData{DType::kI64, {std::ssize(values)}, bytes_of(values), {}}, hint);
}

ValueId GraphBuilder::constant(std::initializer_list<std::int64_t> values) {
  return constant(std::span(values.begin(), values.size()));
}

ValueId GraphBuilder::scalar(float value) {
  return constant(TensorData{DType::kF32, {}, bytes_of(std::span(&value, 1)), {}},
                  fmt::format("f32_{}", value));
}

ValueId GraphBuilder::scalar(std::int64_t value) {
  return constant(TensorData{DType::kI64, {}, bytes_of(std::span(&value, 1)), {}},
                  fmt::format("i64_scalar_{}", value));
}

ValueId GraphBuilder::weight(std::string name, Role role, TensorSourcePtr source) {
  Shape shape = source->spec().shape;
  return weight(std::move(name), role, std::move(source), std::move(shape));
}

ValueId GraphBuilder::weight(std::string name, Role role, TensorSourcePtr source, Shape shape) {
  const ValueId id = graph_.add_value(name, DType::kF32);
  WeightPart part{{id}, {std::move(shape)}, DType::kF32};
  graph_.weights.push_back({std::move(name), role, std::move(source), float_codec(), {std::move(part)}});
  return id;
}

}  // namespace bantam

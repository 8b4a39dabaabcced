#include "convert/blocks/module.h"

#include <algorithm>

#include "base/error.h"

namespace bantam {

Module::Module(Graph& graph, Weights& weights) : shared_(new Shared{GraphBuilder(graph), weights, {}}) {}

Module Module::operator/(std::string_view child) const {
  Module below = *this;
  if (!below.path_.empty()) below.path_ += '/';
  below.path_ += child;
  return below;
}

Module Module::item(std::string_view list, std::int64_t index) const {
  return *this / fmt::format("{}.{}", list, index);
}

std::string Module::tensor(std::string_view leaf) const {
  std::string name = (*this / leaf).path_;
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

ValueId Module::weight(std::string_view leaf, const Shape& shape, Role role) const {
  return weight({leaf}, shape, role);
}

ValueId Module::weight(std::initializer_list<std::string_view> leaves, const Shape& shape, Role role) const {
  return declare(leaves, shape, role, {});
}

ValueId Module::weight(std::string_view leaf, const Shape& stored, Role role,
                       const std::function<TensorSourcePtr(TensorSourcePtr)>& derive) const {
  return declare({leaf}, stored, role, derive);
}

ValueId Module::declare(std::initializer_list<std::string_view> leaves, const Shape& shape, Role role,
                        const std::function<TensorSourcePtr(TensorSourcePtr)>& derive) const {
  std::string name = tensor(*leaves.begin());
  for (const std::string_view leaf : leaves) {
    if (!weights().has(tensor(leaf))) continue;
    name = tensor(leaf);
    break;
  }
  const auto known = shared_->declared.find(name);
  if (known != shared_->declared.end()) return known->second;
  TensorSourcePtr source = weights().claim(name, shape);
  if (derive) source = derive(std::move(source));
  std::string original = source->spec().name;
  const ValueId id = builder().weight(std::move(original), role, std::move(source));
  shared_->declared.emplace(std::move(name), id);
  return id;
}

ValueId Module::op(std::string_view type, std::initializer_list<ValueId> inputs,
                   std::vector<Attribute> attributes, DType dtype, std::string_view domain) const {
  if (path_.empty()) return builder().op(type, inputs, std::move(attributes), dtype, domain);
  const GraphBuilder::Scope scope(builder(), path_);
  return builder().op(type, inputs, std::move(attributes), dtype, domain);
}

std::vector<ValueId> Module::op_many(std::string_view type, std::initializer_list<ValueId> inputs,
                                     int outputs, std::vector<Attribute> attributes) const {
  const GraphBuilder::Scope scope(builder(), path_);
  return builder().op_many(type, std::span(inputs.begin(), inputs.size()), outputs, std::move(attributes));
}

std::vector<ValueId> Module::op_some(std::string_view type, std::initializer_list<ValueId> inputs,
                                     std::initializer_list<bool> wanted, std::vector<Attribute> attributes,
                                     std::string_view domain) const {
  const GraphBuilder::Scope scope(builder(), path_);
  return builder().op_some(type, std::span(inputs.begin(), inputs.size()), wanted, std::move(attributes),
                           DType::kUndefined, domain);
}

}  // namespace bantam

#include <algorithm>
#include <variant>

#include "base/error.h"
#include "runtime/kernels/kernels.h"
#include "runtime/op.h"

namespace bantam {

OpNode::OpNode(const Node& node, std::int64_t opset, ConstantLookup& constants, const SessionOptions& options,
               Memory& memory, ThreadPool& pool)
    : node_(node), opset_(opset), constants_(constants), options_(options), memory_(memory), pool_(pool) {}

const Kernels& OpNode::kernels() const {
  return options_.reference_kernels ? reference_kernels() : bantam::kernels();
}

void OpNode::expect_inputs(int least, int most) const {
  if (input_count() < least || input_count() > most) {
    if (least == most) fail("{} inputs where {} were expected", input_count(), least);
    fail("{} inputs where {} to {} were expected", input_count(), least, most);
  }
  for (int i = 0; i < least; ++i) {
    if (!has_input(i)) fail("input {} is missing", i);
  }
}

void OpNode::expect_outputs(int least, int most) const {
  if (output_count() < least || output_count() > most) {
    if (least == most) fail("{} outputs where {} were expected", output_count(), least);
    fail("{} outputs where {} to {} were expected", output_count(), least, most);
  }
}

bool OpNode::has_input(int index) const {
  return index < input_count() && node_.inputs[static_cast<std::size_t>(index)] != kNoValue;
}
bool OpNode::has_output(int index) const {
  return index < output_count() && node_.outputs[static_cast<std::size_t>(index)] != kNoValue;
}

template <typename T>
const T* OpNode::find(std::string_view name) {
  read_.emplace_back(name);
  const Attribute* attribute = node_.find(name);
  if (attribute == nullptr) return nullptr;
  const T* value = std::get_if<T>(&attribute->value);
  if (value == nullptr) fail("attribute {} is of the wrong type", name);
  return value;
}

bool OpNode::has_attribute(std::string_view name) {
  return node_.find(name) != nullptr;
}

std::int64_t OpNode::integer(std::string_view name) {
  const auto* value = find<std::int64_t>(name);
  if (value == nullptr) fail("attribute {} is missing", name);
  return *value;
}
std::int64_t OpNode::integer(std::string_view name, std::int64_t otherwise) {
  const auto* value = find<std::int64_t>(name);
  return value == nullptr ? otherwise : *value;
}
bool OpNode::flag(std::string_view name, bool otherwise) {
  const std::int64_t value = integer(name, otherwise ? 1 : 0);
  if (value != 0 && value != 1) fail("attribute {} is {} where 0 or 1 was expected", name, value);
  return value == 1;
}
float OpNode::real(std::string_view name) {
  const auto* value = find<float>(name);
  if (value == nullptr) fail("attribute {} is missing", name);
  return *value;
}
float OpNode::real(std::string_view name, float otherwise) {
  const auto* value = find<float>(name);
  return value == nullptr ? otherwise : *value;
}
std::string OpNode::text(std::string_view name) {
  const auto* value = find<std::string>(name);
  if (value == nullptr) fail("attribute {} is missing", name);
  return *value;
}
std::string OpNode::text(std::string_view name, std::string_view otherwise) {
  const auto* value = find<std::string>(name);
  return value == nullptr ? std::string(otherwise) : *value;
}
std::optional<std::vector<std::int64_t>> OpNode::integers(std::string_view name) {
  const auto* value = find<std::vector<std::int64_t>>(name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}
std::optional<std::vector<float>> OpNode::reals(std::string_view name) {
  const auto* value = find<std::vector<float>>(name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}
std::optional<std::vector<std::string>> OpNode::texts(std::string_view name) {
  const auto* value = find<std::vector<std::string>>(name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}
std::optional<Tensor> OpNode::tensor(std::string_view name) {
  const auto* value = find<TensorData>(name);
  return value == nullptr ? std::nullopt : std::optional(Tensor::from(*value));
}
void OpNode::ignore(std::string_view name) {
  read_.emplace_back(name);
}

std::vector<std::string> OpNode::unread() const {
  std::vector<std::string> names;
  for (const Attribute& attribute : node_.attributes) {
    if (std::find(read_.begin(), read_.end(), attribute.name) == read_.end()) names.push_back(attribute.name);
  }
  return names;
}

const Tensor* OpNode::constant(int index) {
  return has_input(index) ? constants_.constant(node_.inputs[static_cast<std::size_t>(index)]) : nullptr;
}

void OpNode::consumed(int index) {
  consumed_.push_back(index);
}

}  // namespace bantam

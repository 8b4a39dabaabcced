#include "quantize/schemes/rewriter.h"

namespace bantam {

Node Rewriter::make(const std::string& base, std::string_view domain, std::string_view type,
                    std::vector<ValueId> inputs, std::vector<Attribute> attributes) {
  if (!domain.empty()) graph_.opsets.try_emplace(std::string(domain), 1);
  while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
  Node node;
  node.domain = domain;
  node.type = type;
  node.name = base + "/" + std::string(type);
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  return node;
}

ValueId Rewriter::emit(const std::string& base, std::string_view domain, std::string_view type,
                       std::vector<ValueId> inputs, std::vector<Attribute> attributes, DType dtype) {
  Node node = make(base, domain, type, std::move(inputs), std::move(attributes));
  const ValueId output = graph_.add_value(node.name + "_output_0", dtype);
  node.outputs = {output};
  nodes_.push_back(std::move(node));
  return output;
}

void Rewriter::emit_into(ValueId output, const std::string& base, std::string_view domain,
                         std::string_view type, std::vector<ValueId> inputs,
                         std::vector<Attribute> attributes) {
  Node node = make(base, domain, type, std::move(inputs), std::move(attributes));
  node.outputs = {output};
  nodes_.push_back(std::move(node));
}

}  // namespace bantam

#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "convert/weights.h"
#include "graph/builder.h"
#include "graph/role.h"

namespace bantam {

// A place in a model's module tree. Its path names the tensors of the checkpoint
// ("encoder.layer.0.output.dense") and the nodes of the graph ("/encoder/layer.0/output/dense/Gemm") at once.
// Cheap to copy; every copy appends to the same graph and claims from the same weights, which must outlive
// them.
class Module {
 public:
  Module(Graph& graph, Weights& weights);

  // The module below this one. Steps are separated by '/', because the names of list items hold dots
  // ("layer.0").
  Module operator/(std::string_view child) const;
  Module item(std::string_view list, std::int64_t index) const;

  GraphBuilder& builder() const { return shared_->builder; }
  Weights& weights() const { return shared_->weights; }

  // The checkpoint's name of a tensor of this module.
  std::string tensor(std::string_view leaf) const;

  // The weight under the first of `leaves` that the checkpoint has. A module that is used twice declares its
  // weights once: the second call returns the same value.
  ValueId weight(std::string_view leaf, const Shape& shape, Role role) const;
  ValueId weight(std::initializer_list<std::string_view> leaves, const Shape& shape, Role role) const;

  // The same where the graph reads what `derive` makes of the checkpoint's tensor.
  ValueId weight(std::string_view leaf, const Shape& stored, Role role,
                 const std::function<TensorSourcePtr(TensorSourcePtr)>& derive) const;

  // A node of this module with one output; as GraphBuilder::op.
  ValueId op(std::string_view type, std::initializer_list<ValueId> inputs,
             std::vector<Attribute> attributes = {}, DType dtype = DType::kUndefined,
             std::string_view domain = {}) const;
  std::vector<ValueId> op_many(std::string_view type, std::initializer_list<ValueId> inputs, int outputs,
                               std::vector<Attribute> attributes = {}) const;
  // As GraphBuilder::op_some.
  std::vector<ValueId> op_some(std::string_view type, std::initializer_list<ValueId> inputs,
                               std::initializer_list<bool> wanted, std::vector<Attribute> attributes,
                               std::string_view domain) const;

 private:
  ValueId declare(std::initializer_list<std::string_view> leaves, const Shape& shape, Role role,
                  const std::function<TensorSourcePtr(TensorSourcePtr)>& derive) const;

  struct Shared {
    GraphBuilder builder;
    Weights& weights;
    std::map<std::string, ValueId, std::less<>> declared;
  };
  std::shared_ptr<Shared> shared_;
  std::string path_;
};

}  // namespace bantam

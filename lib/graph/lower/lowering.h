#pragma once

#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/builder.h"
#include "graph/graph.h"
#include "graph/lower.h"
#include "graph/lower/block_weights.h"

namespace bantam {

// A graph while its nodes are replaced one after the other.
class Lowering {
 public:
  // `nodes` are those of the graph, which has none now; `replaced` says which of them will be.
  Lowering(Graph& graph, std::vector<Node> nodes, const std::vector<bool>& replaced, Operators allowed);

  GraphBuilder& builder() { return builder_; }
  Graph& graph() { return builder_.graph(); }
  BlockWeights& weights() { return weights_; }

  // A node as GraphBuilder::op makes it.
  ValueId op(std::string_view type, std::initializer_list<ValueId> inputs,
             std::vector<Attribute> attributes = {}, DType dtype = DType::kUndefined);
  // The same, writing `target`, a value that the replaced node wrote.
  void write(ValueId target, std::string_view type, std::initializer_list<ValueId> inputs,
             std::vector<Attribute> attributes = {});

  DType dtype(ValueId value) { return graph().value(value).dtype; }
  // A float value as float32, by a Cast where it is another.
  ValueId wide(ValueId value);
  // The other way: `target` becomes `value`, which the last node made, in its own type.
  void write_as(ValueId target, ValueId value);
  // A constant of the type of `like`. Clamped to +-30000 in float16, as constants of half-precision variants
  // are.
  ValueId scalar(float value, ValueId like);

  // The node of the old graph that makes `value`; null for inputs and weights.
  const Node* producer(ValueId value) const;

  // What several nodes share, by the values that it is made of.
  std::map<std::pair<ValueId, ValueId>, ValueId> tables;
  std::map<ValueId, ValueId> masks;

  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  std::vector<Node> nodes_;  // of the old graph
  GraphBuilder builder_;
  std::map<ValueId, const Node*> producers_;
  BlockWeights weights_;
};

// Attributes of a node in the form that is covered here; anything else is an Error that names the attribute.
std::int64_t integer(const Node& node, std::string_view name, std::int64_t fallback);
float real(const Node& node, std::string_view name, float fallback);
void expect_integer(const Node& node, std::string_view name, std::int64_t only, std::int64_t fallback);
void expect_attributes(const Node& node, std::initializer_list<std::string_view> known);
ValueId input(const Node& node, std::size_t index);   // kNoValue: omitted
ValueId output(const Node& node, std::size_t index);  // likewise
void expect_omitted(const Node& node, std::size_t input, std::string_view what);

// How each operator is written without itself: one function per operator, listed in lower.cc.
void lower_gelu(Lowering& to, const Node& node);
void lower_bias_gelu(Lowering& to, const Node& node);
void lower_fast_gelu(Lowering& to, const Node& node);
void lower_quick_gelu(Lowering& to, const Node& node);
void lower_rms_norm(Lowering& to, const Node& node);
void lower_skip_rms_norm(Lowering& to, const Node& node);
void lower_skip_layer_norm(Lowering& to, const Node& node);
void lower_rotary(Lowering& to, const Node& node);
void lower_group_query_attention(Lowering& to, const Node& node);
void lower_matmul_nbits(Lowering& to, const Node& node);
void lower_gather_block_quantized(Lowering& to, const Node& node);

}  // namespace bantam

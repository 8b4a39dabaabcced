#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// Operators that only the runtime uses: what fusions turn groups of nodes into. Files may not contain them.
inline constexpr std::string_view kInternalDomain = "bantam";

// A graph while it is being rewritten: who makes a value, who reads it, what is constant.
class FusionView {
 public:
  explicit FusionView(Graph& graph);

  Graph& graph() { return graph_; }
  // Whether the node has not been removed.
  bool alive(const Node& node) const { return !gone_[static_cast<std::size_t>(&node - graph_.nodes.data())]; }
  // The node that makes `value` and is still there; null for inputs and constants.
  Node* producer(ValueId value);
  // The producer when it is `type` of the default domain (or of `domain`) and nobody but one node reads
  // `value`.
  Node* sole(ValueId value, std::string_view type, std::string_view domain = {});
  bool read_once(ValueId value) const;
  // The nodes that read `value`.
  std::vector<Node*> readers(ValueId value);
  bool is_constant(ValueId value) const { return constant_.at(static_cast<std::size_t>(value)); }
  // Shape of a constant or weight; null when it is neither.
  const Shape* constant_shape(ValueId value) const;
  // The value of an inline float32 constant with one element.
  std::optional<float> scalar(ValueId value) const;
  std::optional<std::vector<std::int64_t>> integers(const Node& node, std::string_view attribute) const;

  // Takes a node out. Its outputs must be made by another node by the end of the fusion.
  void remove(Node& node);
  // Adds a node; its outputs must have lost their producer.
  void add(Node node);
  // Points one reader's input to another value.
  void rewire(Node& node, std::size_t input, ValueId value);
  // Puts the nodes in order again.
  void finish();

 private:
  void index(std::size_t node);
  void forget(std::size_t node);

  Graph& graph_;
  std::vector<bool> gone_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::size_t> producers_;
  std::vector<bool> constant_;
  std::vector<bool> output_;
  std::vector<const Shape*> shapes_;
  std::vector<const TensorData*> data_;
};

// One kind of fusion: tries to replace a group of nodes that ends in `last`; false when the group is not
// there.
struct Fusion {
  std::string_view name;
  bool (*apply)(FusionView& view, Node& last);
};

// Replaces groups of nodes by internal operators that compute the same in fewer passes over memory. Graphs
// with 16-bit floats are left alone: rounding between their nodes is part of what they compute.
void fuse(Graph& graph);

}  // namespace bantam

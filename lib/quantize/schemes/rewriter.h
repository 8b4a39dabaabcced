#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// Rebuilds the node list of a graph: walk the old nodes, keep() or replace each, then finish(). Value ids
// stay valid throughout; names of new values and nodes derive from the node they replace.
class Rewriter {
 public:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  Graph& graph() { return graph_; }
  void keep(Node node) { nodes_.push_back(std::move(node)); }

  // Appends "<base>/<type>" with one new output of `dtype`.
  ValueId emit(const std::string& base, std::string_view domain, std::string_view type,
               std::vector<ValueId> inputs, std::vector<Attribute> attributes, DType dtype);
  // The same, writing an existing value.
  void emit_into(ValueId output, const std::string& base, std::string_view domain, std::string_view type,
                 std::vector<ValueId> inputs, std::vector<Attribute> attributes);
  void finish() { graph_.nodes = std::move(nodes_); }

 private:
  Node make(const std::string& base, std::string_view domain, std::string_view type,
            std::vector<ValueId> inputs, std::vector<Attribute> attributes);
  Graph& graph_;
  std::vector<Node> nodes_;
};

}  // namespace bantam

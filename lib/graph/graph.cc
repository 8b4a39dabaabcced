#include "graph/graph.h"

#include <set>

#include "base/error.h"

namespace bantam {

const Attribute* Node::find(std::string_view attribute) const {
  for (const Attribute& candidate : attributes) {
    if (candidate.name == attribute) return &candidate;
  }
  return nullptr;
}

ValueId Graph::add_value(std::string value_name, DType dtype) {
  values.push_back({std::move(value_name), dtype, false, {}});
  return static_cast<ValueId>(values.size() - 1);
}

namespace {

class Checker {
 public:
  explicit Checker(const Graph& graph) : graph_(graph), known_(graph.values.size(), false) {}

  void run() {
    for (const ValueId id : graph_.inputs) define(id, "graph input");
    for (const Constant& constant : graph_.constants) define(constant.value, "constant");
    for (const Weight& weight : graph_.weights) {
      with_context(weight.name, [&] { check_weight(weight); });
    }
    for (const Node& node : graph_.nodes) {
      with_context(node.name + " (" + node.type + ")", [&] { check_node(node); });
    }
    for (const ValueId id : graph_.outputs) require(id, "graph output");
    if (graph_.outputs.empty()) fail("graph has no output");
  }

 private:
  void bounds(ValueId id, std::string_view what) const {
    if (id < 0 || static_cast<std::size_t>(id) >= known_.size())
      fail("{}: value {} does not exist", what, id);
  }
  void define(ValueId id, std::string_view what) {
    bounds(id, what);
    const std::string& name = graph_.value(id).name;
    if (name.empty()) fail("{}: value {} has no name", what, id);
    if (known_[static_cast<std::size_t>(id)]) fail("{}: {} is produced twice", what, name);
    known_[static_cast<std::size_t>(id)] = true;
    if (!names_.insert(name).second) fail("{}: the name {} is used twice", what, name);
  }
  void require(ValueId id, std::string_view what) const {
    bounds(id, what);
    if (!known_[static_cast<std::size_t>(id)]) {
      fail("{}: {} is read before anything produces it", what, graph_.value(id).name);
    }
  }
  void check_weight(const Weight& weight) {
    const std::vector<PartSpec> specs = weight.codec->parts(weight.source->spec());
    if (specs.size() != weight.parts.size())
      fail("{} parts where the codec makes {}", weight.parts.size(), specs.size());
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const WeightPart& part = weight.parts[i];
      if (part.values.empty() || part.values.size() != part.shapes.size()) fail("part {} has no value", i);
      for (const Shape& shape : part.shapes) {
        if (element_count(shape) != element_count(specs[i].shape)) {
          fail("shape {} where {} holds as many elements", to_string(shape), to_string(specs[i].shape));
        }
      }
      for (const ValueId id : part.values) define(id, "weight");
    }
  }
  void check_node(const Node& node) {
    if (!graph_.opsets.contains(node.domain)) fail("no opset is declared for domain \"{}\"", node.domain);
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) require(id, "input");
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) define(id, "output");
    }
  }

  const Graph& graph_;
  std::vector<bool> known_;
  std::set<std::string_view> names_;
};

}  // namespace

void Graph::check() const {
  Checker(*this).run();
}

}  // namespace bantam

#include "calibrate/statistics/sites.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "quantize/policy.h"

namespace bantam {
namespace {

struct Linear {
  std::size_t node = 0;
  std::size_t weight = 0;
};

// Numbers of sets that are united step by step.
class Sets {
 public:
  explicit Sets(std::size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t find(std::size_t i) const {
    while (parent_[i] != i) i = parent_[i];
    return i;
  }
  void unite(std::size_t a, std::size_t b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace

Sites find_sites(const Graph& graph) {
  std::vector<Linear> linears;
  const std::vector<WeightUses> uses = find_uses(graph);
  for (std::size_t weight = 0; weight < uses.size(); ++weight) {
    if (graph.weights[weight].source->spec().shape.size() != 2) continue;
    for (const std::size_t node : uses[weight].linears) linears.push_back({node, weight});
  }
  std::ranges::sort(linears, {}, &Linear::node);
  Sets sets(linears.size());
  std::map<ValueId, std::size_t> by_input;
  std::map<std::size_t, std::size_t> by_weight;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    sets.unite(i, by_input.emplace(graph.nodes[linears[i].node].inputs[0], i).first->second);
    sets.unite(i, by_weight.emplace(linears[i].weight, i).first->second);
  }
  Sites sites;
  std::map<std::size_t, std::size_t> site_of;
  std::set<ValueId> seen;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const Weight& weight = graph.weights[linears[i].weight];
    const Node& node = graph.nodes[linears[i].node];
    const auto [found, added] = site_of.emplace(sets.find(i), sites.list.size());
    if (added) {
      sites.list.push_back({{}, weight.source->spec().width()});
      sites.weights.emplace_back();
    }
    std::vector<std::size_t>& members = sites.weights[found->second];
    if (std::ranges::find(members, linears[i].weight) == members.end()) {
      members.push_back(linears[i].weight);
      sites.list[found->second].weights.push_back(weight.name);
    }
    if (seen.insert(node.inputs[0]).second)
      sites.watched.emplace(std::pair{node.inputs[0], node.inputs[1]}, found->second);
  }
  return sites;
}

}  // namespace bantam

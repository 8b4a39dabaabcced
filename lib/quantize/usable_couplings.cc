#include "quantize/usable_couplings.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "quantize/policy.h"

namespace bantam {

std::vector<const Coupling*> usable_couplings(const Graph& model) {
  using Side = std::pair<ValueId, CoupledAxis::Axis>;
  std::map<ValueId, std::size_t> weight_of;
  for (std::size_t w = 0; w < model.weights.size(); ++w) weight_of[model.weights[w].parts[0].values[0]] = w;
  const std::vector<WeightUses> uses = find_uses(model);
  const auto sides = [](const Coupling& coupling) {
    std::set<Side> set;
    for (const CoupledAxis& axis : coupling.producers) set.emplace(axis.weight, axis.axis);
    for (const CoupledAxis& axis : coupling.consumers) set.emplace(axis.weight, axis.axis);
    return set;
  };
  std::map<Side, std::set<std::set<Side>>> taken;
  for (const Coupling& coupling : model.couplings) {
    for (const auto& side : sides(coupling)) taken[side].insert(sides(coupling));
  }
  const auto free = [&](const CoupledAxis& axis) {
    const auto found = weight_of.find(axis.weight);
    BANTAM_ASSERT(found != weight_of.end());
    const bool vector = model.weights[found->second].source->spec().shape.size() == 1;
    const WeightUses& use = uses[found->second];
    return taken.at({axis.weight, axis.axis}).size() == 1 && (vector || (use.gathers.empty() && !use.other));
  };
  std::set<std::set<Side>> seen;
  std::vector<const Coupling*> usable;
  for (const Coupling& coupling : model.couplings) {
    if (std::ranges::all_of(coupling.producers, free) && std::ranges::all_of(coupling.consumers, free) &&
        seen.insert(sides(coupling)).second) {
      usable.push_back(&coupling);
    }
  }
  return usable;
}

}  // namespace bantam

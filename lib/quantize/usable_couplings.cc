#include "quantize/usable_couplings.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "quantize/fold/coupled_weights.h"
#include "quantize/policy.h"

namespace bantam {

std::vector<const Coupling*> usable_couplings(const Graph& model) {
  using Side = std::pair<ValueId, CoupledAxis::Axis>;
  const CoupledWeights weights(model);
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
    const bool vector = weights.of(axis).source->spec().shape.size() == 1;
    const WeightUses& use = uses[weights.index(axis)];
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

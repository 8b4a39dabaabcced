#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// Looks up the weights of a graph that couplings name.
class CoupledWeights {
 public:
  explicit CoupledWeights(const Graph& model) : model_(model) {
    for (std::size_t w = 0; w < model.weights.size(); ++w) index_[model.weights[w].parts[0].values[0]] = w;
  }
  std::size_t index(const CoupledAxis& axis) const { return index_.at(axis.weight); }
  const Weight& of(const CoupledAxis& axis) const { return model_.weights[index(axis)]; }

 private:
  const Graph& model_;
  std::map<ValueId, std::size_t> index_;
};

// Divides by the geometric mean of the entries that are positive and finite; the others become 1.
inline void normalize_scales(std::vector<double>& scales) {
  const auto usable = [](double scale) { return std::isfinite(scale) && scale > 0; };
  double logs = 0;
  std::size_t count = 0;
  for (const double scale : scales) {
    if (!usable(scale)) continue;
    logs += std::log(scale);
    ++count;
  }
  const double mean = count == 0 ? 1 : std::exp(logs / static_cast<double>(count));
  for (double& scale : scales) scale = usable(scale) ? scale / mean : 1;
}

}  // namespace bantam

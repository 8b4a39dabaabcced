#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace bantam {

// What choosing four or eight bits for each weight of a variant could have given, as the search for a budget
// saw it (pipeline/calibrate/mixed_precision.h).
struct BudgetFrontier {
  struct Point {
    std::int64_t bytes = 0;          // of session file and shards
    double expected = 0;             // loss, added up from the sensitivity of weights
    std::optional<double> measured;  // on examples
  };
  std::string dtype;
  std::string unit;  // what is lost: "KL", "divergence" (1 - cosine: outputs are no distributions), "noise"
                     // (of weights: no examples)
  std::vector<Point> points;  // on the convex hull, from the smallest on; losses fall
  std::vector<Point> tried;   // measured on the way to the choice, by bytes
  Point chosen;               // may lie beside the hull: the best within a size often does
};

Json frontiers_json(const std::vector<BudgetFrontier>& frontiers);
BudgetFrontier read_frontier(const Json& json);

// Which of `count` things to tell of: `most` at most, the first and the last among them.
std::vector<std::size_t> evenly_spaced(std::size_t count, std::size_t most);

// An <svg>: loss over bytes, logarithmic in the loss. Empty where nothing is lost anywhere.
std::string frontier_chart(const BudgetFrontier& frontier);

}  // namespace bantam

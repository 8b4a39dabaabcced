#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bantam {

// One way to store a weight: what it takes and what it costs the model (of any unit that adds up over
// weights).
struct StorageOption {
  std::int64_t bytes = 0;
  double cost = 0;
};

// One option per weight, and what all of them together take and cost.
struct FrontierPoint {
  std::vector<std::size_t> chosen;
  std::int64_t bytes = 0;
  double cost = 0;
};

// The choices that no other beats in both bytes and cost as far as they lie on the convex hull: from the
// smallest one on, always the step that takes off most cost per byte (the classic greedy of rate-distortion
// theory: Shoham and Gersho 1988). `options[w]` may be in any order; none may be empty. Ties go to the
// earlier weight. Bytes rise and costs fall strictly from point to point.
std::vector<FrontierPoint> storage_frontier(std::span<const std::vector<StorageOption>> options);

// The choice of least cost in at most `bytes`, hull or not (a knapsack, solved by dynamic programming over
// sizes that are rounded up to a 16384th of what there is to spend); nothing when not even the smallest
// options fit.
std::optional<FrontierPoint> best_within(std::span<const std::vector<StorageOption>> options,
                                         std::int64_t bytes);
// The smallest point of at most `cost`; null when there is none.
const FrontierPoint* within_cost(std::span<const FrontierPoint> frontier, double cost);

}  // namespace bantam

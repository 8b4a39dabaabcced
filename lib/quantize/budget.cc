#include "quantize/budget.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

double slope(const StorageOption& from, const StorageOption& to) {
  return (from.cost - to.cost) / static_cast<double>(to.bytes - from.bytes);
}

// Indices of the options on the lower convex hull, smallest first.
std::vector<std::size_t> hull_of(const std::vector<StorageOption>& options) {
  std::vector<std::size_t> order(options.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return options[a].bytes != options[b].bytes ? options[a].bytes < options[b].bytes
                                                : options[a].cost < options[b].cost;
  });
  std::vector<std::size_t> hull;
  for (const std::size_t next : order) {
    if (!hull.empty() && options[next].cost >= options[hull.back()].cost) continue;
    while (hull.size() >= 2 && slope(options[hull[hull.size() - 2]], options[hull.back()]) <=
                                   slope(options[hull.back()], options[next])) {
      hull.pop_back();
    }
    hull.push_back(next);
  }
  return hull;
}

struct Step {
  std::size_t weight = 0;
  std::size_t position = 0;  // on its hull, after the step
  double gain = 0;           // cost per byte
};

}  // namespace

std::vector<FrontierPoint> storage_frontier(std::span<const std::vector<StorageOption>> options) {
  FrontierPoint point;
  std::vector<std::vector<std::size_t>> hulls;
  std::vector<Step> steps;
  for (std::size_t w = 0; w < options.size(); ++w) {
    BANTAM_ASSERT(!options[w].empty());
    hulls.push_back(hull_of(options[w]));
    const std::vector<std::size_t>& hull = hulls.back();
    point.chosen.push_back(hull.front());
    point.bytes += options[w][hull.front()].bytes;
    point.cost += options[w][hull.front()].cost;
    for (std::size_t i = 1; i < hull.size(); ++i) {
      steps.push_back({w, i, slope(options[w][hull[i - 1]], options[w][hull[i]])});
    }
  }
  // Gains fall along every hull, so that this order never takes a weight's second step before its first.
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.gain > b.gain; });
  std::vector<FrontierPoint> frontier = {point};
  for (const Step& step : steps) {
    const std::size_t next = hulls[step.weight][step.position];
    const StorageOption& before = options[step.weight][point.chosen[step.weight]];
    const StorageOption& after = options[step.weight][next];
    point.chosen[step.weight] = next;
    point.bytes += after.bytes - before.bytes;
    point.cost += after.cost - before.cost;
    frontier.push_back(point);
  }
  return frontier;
}

std::optional<FrontierPoint> best_within(std::span<const std::vector<StorageOption>> options,
                                         std::int64_t bytes) {
  std::vector<std::int64_t> least;  // bytes of every weight's smallest option
  std::int64_t left = bytes;
  for (const std::vector<StorageOption>& list : options) {
    BANTAM_ASSERT(!list.empty() && list.size() < 256);
    least.push_back(std::ranges::min_element(list, {}, &StorageOption::bytes)->bytes);
    left -= least.back();
  }
  if (left < 0) return std::nullopt;
  const std::int64_t unit = std::max<std::int64_t>(1, left / 16384);
  const auto capacity = static_cast<std::size_t>(left / unit);
  // cost[c]: the least of the weights so far within c units above their smallest options.
  std::vector<double> cost(capacity + 1, 0.0), next(capacity + 1);
  std::vector<std::vector<std::uint8_t>> chosen(options.size(), std::vector<std::uint8_t>(capacity + 1));
  for (std::size_t w = 0; w < options.size(); ++w) {
    std::ranges::fill(next, std::numeric_limits<double>::infinity());
    for (std::size_t o = 0; o < options[w].size(); ++o) {
      const auto size = static_cast<std::size_t>(ceil_div(options[w][o].bytes - least[w], unit));
      for (std::size_t c = size; c <= capacity; ++c) {
        const double sum = cost[c - size] + options[w][o].cost;
        if (sum < next[c]) next[c] = sum, chosen[w][c] = static_cast<std::uint8_t>(o);
      }
    }
    cost.swap(next);
  }
  FrontierPoint point;
  point.chosen.resize(options.size());
  std::size_t c = capacity;
  for (std::size_t w = options.size(); w-- > 0;) {
    const std::size_t o = chosen[w][c];
    point.chosen[w] = o;
    point.bytes += options[w][o].bytes;
    point.cost += options[w][o].cost;
    c -= static_cast<std::size_t>(ceil_div(options[w][o].bytes - least[w], unit));
  }
  return point;
}

const FrontierPoint* within_cost(std::span<const FrontierPoint> frontier, double cost) {
  for (const FrontierPoint& point : frontier) {
    if (point.cost <= cost) return &point;
  }
  return nullptr;
}

}  // namespace bantam

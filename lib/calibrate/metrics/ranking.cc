#include "calibrate/metrics/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "base/error.h"

namespace bantam {
namespace {

double discounted_gain(std::span<const double> gains, std::int64_t k) {
  double sum = 0;
  for (std::int64_t rank = 0; rank < std::min<std::int64_t>(k, std::ssize(gains)); ++rank) {
    sum += std::max(0.0, gains[static_cast<std::size_t>(rank)]) / std::log2(static_cast<double>(rank + 2));
  }
  return sum;
}

}  // namespace

std::vector<std::int64_t> ranking(std::span<const double> scores) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto score = [&](std::int64_t i) {
    const double value = scores[static_cast<std::size_t>(i)];
    return std::isnan(value) ? -HUGE_VAL : value;
  };
  std::ranges::stable_sort(order, [&](std::int64_t i, std::int64_t j) { return score(i) > score(j); });
  return order;
}

double ndcg_at(std::span<const double> scores, std::span<const double> relevance, std::int64_t k) {
  BANTAM_ASSERT(scores.size() == relevance.size() && k > 0);
  std::vector<double> gains;
  for (const std::int64_t document : ranking(scores))
    gains.push_back(relevance[static_cast<std::size_t>(document)]);
  std::vector<double> ideal(relevance.begin(), relevance.end());
  std::ranges::sort(ideal, std::greater<>());
  const double best = discounted_gain(ideal, k);
  return best == 0 ? 0 : discounted_gain(gains, k) / best;
}

double reciprocal_rank(std::span<const double> scores, std::span<const double> relevance, std::int64_t k) {
  BANTAM_ASSERT(scores.size() == relevance.size() && k > 0);
  std::int64_t rank = 0;
  for (const std::int64_t document : ranking(scores)) {
    if (++rank > k) break;
    if (relevance[static_cast<std::size_t>(document)] > 0) return 1 / static_cast<double>(rank);
  }
  return 0;
}

std::vector<std::vector<std::int64_t>> group_queries(std::span<const std::string> ids,
                                                     std::span<const std::string> texts) {
  const bool by_id = std::ranges::any_of(ids, [](const std::string& id) { return !id.empty(); });
  const std::span<const std::string> keys = by_id ? ids : texts;
  std::unordered_map<std::string, std::size_t> known;
  std::vector<std::vector<std::int64_t>> groups;
  for (std::size_t row = 0; row < keys.size(); ++row) {
    const auto [found, fresh] = known.emplace(keys[row], groups.size());
    if (fresh) groups.emplace_back();
    groups[found->second].push_back(static_cast<std::int64_t>(row));
  }
  return groups;
}

}  // namespace bantam

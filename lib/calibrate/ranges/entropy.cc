#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "calibrate/ranges/range_picker.h"

namespace bantam {
namespace {

constexpr std::int64_t kBins = 2048;
constexpr std::int64_t kLevels = 256;
constexpr std::int64_t kStep = 8;

// What a smoothed distribution has where the histogram has nothing, and what that takes off every other bin.
struct Smoothing {
  static constexpr double kEpsilon = 1e-4;
  double taken = 0;
  double sum = 0;

  Smoothing(std::int64_t zeros, std::int64_t others, double total)
      : taken(others > 0 ? kEpsilon * static_cast<double>(zeros) / static_cast<double>(others) : 0),
        sum(total + kEpsilon * static_cast<double>(zeros) - taken * static_cast<double>(others)) {}
  double at(double count) const { return count == 0 ? kEpsilon : count - taken; }
};

class Search {
 public:
  Search(const LinearHistogram& histogram, std::int64_t levels) : levels_(levels) {
    sums_.push_back(0);
    filled_.push_back(0);
    for (const double count : histogram.counts) {
      counts_.push_back(std::nearbyint(count));
      sums_.push_back(sums_.back() + counts_.back());
      filled_.push_back(filled_.back() + (counts_.back() != 0 ? 1 : 0));
    }
  }

  // Divergence when all outside of bins [begin, end) is clipped to the outermost of them.
  double divergence(std::int64_t begin, std::int64_t end) {
    const std::int64_t size = end - begin;
    p_.assign(counts_.begin() + begin, counts_.begin() + end);
    p_.front() += sum(0, begin);
    p_.back() += sum(end, std::ssize(counts_));
    // As the original has it: the levels hold what lies inside, and share it among the bins that are filled
    // once the outliers are in.
    std::int64_t filled = filled_count(begin, end);
    const bool first_grew = counts_[static_cast<std::size_t>(begin)] == 0 && p_.front() != 0;
    const bool last_grew = counts_[static_cast<std::size_t>(end - 1)] == 0 && p_.back() != 0;
    filled += (first_grew ? 1 : 0) + (last_grew ? 1 : 0);
    if (filled == 0) return std::numeric_limits<double>::infinity();
    q_.assign(static_cast<std::size_t>(size), 0.0);
    const std::int64_t merged = size / levels_;
    for (std::int64_t level = 0; level < levels_; ++level) {
      const std::int64_t from = level * merged, to = from + merged;
      const std::int64_t all = level + 1 == levels_ ? size : to;  // the last level takes what division leaves
      const double held = sum(begin + from, begin + all);
      std::int64_t inside = filled_count(begin + from, begin + to);
      inside += first_grew && from == 0 ? 1 : 0;
      inside += last_grew && to == size ? 1 : 0;
      if (inside == 0) continue;
      const double share = std::trunc(held / static_cast<double>(inside));
      std::fill(q_.begin() + from, q_.begin() + to, share);
    }
    const auto q_filled = size - std::ranges::count(q_, 0.0);
    if (q_filled == 0) return std::numeric_limits<double>::infinity();
    double q_total = 0, p_total = 0;
    for (const double value : q_) q_total += value;
    for (const double value : p_) p_total += value;
    const Smoothing p(size - filled, filled, p_total);
    const Smoothing q(size - q_filled, q_filled, q_total);
    double divergence = 0;
    for (std::size_t i = 0; i < p_.size(); ++i) {
      const double share = p.at(p_[i]) / p.sum;
      divergence += share * std::log(share / (q.at(q_[i]) / q.sum));
    }
    return divergence;
  }

 private:
  double sum(std::int64_t begin, std::int64_t end) const {
    return sums_[static_cast<std::size_t>(end)] - sums_[static_cast<std::size_t>(begin)];
  }
  std::int64_t filled_count(std::int64_t begin, std::int64_t end) const {
    return filled_[static_cast<std::size_t>(end)] - filled_[static_cast<std::size_t>(begin)];
  }

  std::int64_t levels_;
  std::vector<double> counts_, sums_, p_, q_;
  std::vector<std::int64_t> filled_;
};

}  // namespace

Range entropy_threshold(const LinearHistogram& histogram, std::int64_t levels, std::int64_t step) {
  const std::int64_t bins = std::ssize(histogram.counts), zero = bins / 2;
  BANTAM_ASSERT(levels > 0 && step > 0 && levels / 2 <= zero);
  Search search(histogram, levels);
  Range best{histogram.edges.front(), histogram.edges.back()};
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t half = levels / 2; half <= zero; half += step) {
    const std::int64_t begin = zero - half, end = std::min(zero + half + 1, bins);
    const double divergence = search.divergence(begin, end);
    if (!(divergence < least)) continue;
    least = divergence;
    best = {histogram.edges[static_cast<std::size_t>(begin)], histogram.edges[static_cast<std::size_t>(end)]};
  }
  return {std::max(best.low, histogram.low), std::min(best.high, histogram.high)};
}

Range entropy_range(const SiteStatistics& seen) {
  const Range range = entropy_threshold(centred_histogram(seen, kBins), kLevels, kStep);
  return {std::min(range.low, 0.0f), std::max(range.high, 0.0f)};
}

}  // namespace bantam

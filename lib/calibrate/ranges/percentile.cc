#include <algorithm>
#include <numeric>

#include "calibrate/ranges/range_picker.h"

namespace bantam {
namespace {

constexpr double kPercentile = 99.999;
constexpr std::int64_t kBins = 2048;

}  // namespace

Range percentile_threshold(const LinearHistogram& histogram, double percentile) {
  const double total = std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0);
  const double cut = (100.0 - percentile) / 200.0;
  // The first bin at which the cumulated share reaches `share`.
  const auto edge = [&](double share) {
    double sum = 0;
    std::size_t bin = 0;
    for (; bin < histogram.counts.size(); ++bin) {
      sum += histogram.counts[bin] / total;
      if (sum >= share) break;
    }
    return histogram.edges[std::min(bin, histogram.edges.size() - 1)];
  };
  return {std::max(edge(cut), histogram.low), std::min(edge(1.0 - cut), histogram.high)};
}

Range percentile_range(const SiteStatistics& seen) {
  const Range range = percentile_threshold(centred_histogram(seen, kBins), kPercentile);
  return {std::min(range.low, 0.0f), std::max(range.high, 0.0f)};
}

}  // namespace bantam

#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "calibrate/statistics/exact_sums.h"
#include "calibrate/statistics/histogram.h"
#include "calibrate/statistics/sites.h"

namespace bantam {

// What may be gathered of every site. Words of the command line and of the file: statistics_kinds().
enum class StatisticsKind : std::uint8_t { kRanges, kMoments, kHessians };
struct StatisticsKindInfo {
  StatisticsKind kind;
  std::string_view name;
  std::string_view summary;
};
std::span<const StatisticsKindInfo> statistics_kinds();

// Which of them, and in which sites.
struct Collected {
  bool ranges = false;    // histograms
  bool moments = false;   // sums and squares per channel
  bool hessians = false;  // X^T X
  bool operator==(const Collected&) const = default;
};

// What one site saw. Rows and the smallest and largest value are always there.
struct SiteStatistics {
  std::int64_t rows = 0;
  std::int64_t batches = 0;
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  // Ranges: how often each bin of Histogram was met, and the same with every value counted by the importance
  // of its channel (channel_importance()).
  std::vector<std::int64_t> histogram;
  std::vector<std::int64_t> weighted;
  // Moments.
  std::vector<float> absmax;
  ChannelSums sums;
  ChannelSums squares;
  // Hessians; kept apart because they are too large to be held for all sites at once.
  TriangleSums products;

  SiteStatistics() = default;
  SiteStatistics(std::int64_t width, const Collected& collected);
  void add(const SiteStatistics& other);
};

// How much an error in channel k of the rows that a site's linears read is worth in their outputs: the sum of
// the squares of column k of their weights, in steps of 1/256 of the mean over all channels, 1 to 65535.
std::vector<std::int32_t> channel_importance(const Graph& graph, const std::vector<std::size_t>& weights,
                                             std::int64_t width);

}  // namespace bantam

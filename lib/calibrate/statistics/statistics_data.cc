#include "calibrate/statistics/statistics_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array kKinds{
    StatisticsKindInfo{StatisticsKind::kRanges, "ranges", "histograms, for static INT8"},
    StatisticsKindInfo{StatisticsKind::kMoments, "moments",
                       "mean, second moment and largest magnitude of every channel"},
    StatisticsKindInfo{StatisticsKind::kHessians, "hessians", "products of all channels, for GPTQ and AWQ"},
};

void add_counts(std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
  BANTAM_ASSERT(to.size() == from.size());
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

}  // namespace

std::span<const StatisticsKindInfo> statistics_kinds() {
  return kKinds;
}

SiteStatistics::SiteStatistics(std::int64_t width, const Collected& collected) : products(width) {
  if (collected.ranges) {
    histogram.resize(Histogram::kBins);
    weighted.resize(Histogram::kBins);
  }
  if (collected.moments) {
    absmax.resize(static_cast<std::size_t>(width));
    sums = ChannelSums(width);
    squares = ChannelSums(width);
  }
}

void SiteStatistics::add(const SiteStatistics& other) {
  rows += other.rows;
  batches += other.batches;
  if (batches > kMostBatches) fail("more than {} batches: too many to add up exactly", kMostBatches);
  low = std::min(low, other.low);
  high = std::max(high, other.high);
  add_counts(histogram, other.histogram);
  add_counts(weighted, other.weighted);
  for (std::size_t i = 0; i < absmax.size(); ++i) absmax[i] = std::max(absmax[i], other.absmax[i]);
  sums.add(other.sums);
  squares.add(other.squares);
  products.add(other.products);
}

std::vector<std::int32_t> channel_importance(const Graph& graph, const std::vector<std::size_t>& weights,
                                             std::int64_t width) {
  constexpr std::int64_t kTile = 1 << 18;
  std::vector<double> energy(static_cast<std::size_t>(width));
  std::vector<std::byte> scratch;
  std::vector<float> floats;
  for (const std::size_t index : weights) {
    const Weight& weight = graph.weights[index];
    const TensorSpec& spec = weight.source->spec();
    with_context(weight.name, [&] {
      const std::int64_t step = std::max<std::int64_t>(1, kTile / std::max<std::int64_t>(width, 1));
      for (std::int64_t row = 0; row < spec.rows(); row += step) {
        const RowRange range{row, std::min(spec.rows(), row + step)};
        floats.resize(static_cast<std::size_t>(range.count() * width));
        read_as_float(*weight.source, range, scratch, floats);
        for (std::int64_t r = 0; r < range.count(); ++r) {
          const float* values = floats.data() + r * width;
          for (std::int64_t k = 0; k < width; ++k) {
            energy[static_cast<std::size_t>(k)] += static_cast<double>(values[k]) * values[k];
          }
        }
      }
    });
  }
  const double mean = std::accumulate(energy.begin(), energy.end(), 0.0) /
                      static_cast<double>(std::max<std::int64_t>(width, 1));
  std::vector<std::int32_t> importance;
  for (const double value : energy) {
    const double steps = mean > 0 && std::isfinite(mean) ? std::nearbyint(256 * value / mean) : 256;
    importance.push_back(static_cast<std::int32_t>(std::clamp(steps, 1.0, 65535.0)));
  }
  return importance;
}

}  // namespace bantam

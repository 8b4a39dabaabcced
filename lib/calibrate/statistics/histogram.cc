#include "calibrate/statistics/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int32_t kDropped = 16;  // bits of the mantissa behind the seven that choose the bin
constexpr std::int32_t kFirst = (127 + Histogram::kLowestExponent) * Histogram::kPerOctave;

// The lower edge of bin number `step` >= 1 above zero.
double step_edge(std::int32_t step) {
  const std::int32_t index = step - 1;
  const int octave = index / Histogram::kPerOctave;
  const double within = 1.0 + static_cast<double>(index % Histogram::kPerOctave) / Histogram::kPerOctave;
  return std::ldexp(within, Histogram::kLowestExponent + octave);
}

}  // namespace

std::int32_t Histogram::bin(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto key = static_cast<std::int32_t>((bits & 0x7fffffffu) >> kDropped);
  const std::int32_t step = std::clamp(key - kFirst + 1, 0, kHalf);
  return (bits >> 31) != 0 ? kHalf - step : kHalf + step;
}

double Histogram::lower_edge(std::int32_t bin) {
  const std::int32_t step = bin - kHalf;
  if (step > 0) return step_edge(step);
  return -step_edge(-step + 1);
}

double Histogram::upper_edge(std::int32_t bin) {
  return -lower_edge(2 * kHalf - bin);
}

LinearHistogram linear_histogram(std::span<const std::int64_t> counts, float low, float high, float from,
                                 float to, std::int64_t bins) {
  BANTAM_ASSERT(bins > 0 && from < to && (counts.empty() || std::ssize(counts) == Histogram::kBins));
  LinearHistogram result;
  result.low = low;
  result.high = high;
  result.counts.resize(static_cast<std::size_t>(bins));
  const double width = (static_cast<double>(to) - from) / static_cast<double>(bins);
  for (std::int64_t i = 0; i <= bins; ++i) {
    result.edges.push_back(i == bins ? to : static_cast<float>(from + width * static_cast<double>(i)));
  }
  for (std::size_t b = 0; b < counts.size(); ++b) {
    if (counts[b] == 0) continue;
    // Within what was seen: the outermost bins are wider than that.
    const double left = std::max<double>(Histogram::lower_edge(static_cast<std::int32_t>(b)), low);
    const double right = std::min<double>(Histogram::upper_edge(static_cast<std::int32_t>(b)), high);
    const auto at = [&](double x) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>((x - from) / width), 0, bins - 1);
    };
    const std::int64_t first = at(left), last = at(right);
    const auto count = static_cast<double>(counts[b]);
    if (first == last || right <= left) {
      result.counts[static_cast<std::size_t>(first)] += count;
      continue;
    }
    for (std::int64_t i = first; i <= last; ++i) {
      const double begin = i == first ? left : from + width * static_cast<double>(i);
      const double end = i == last ? right : from + width * static_cast<double>(i + 1);
      result.counts[static_cast<std::size_t>(i)] += count * std::max(0.0, end - begin) / (right - left);
    }
  }
  return result;
}

}  // namespace bantam

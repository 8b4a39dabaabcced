#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

// A histogram whose bins no data chooses, so that histograms of several runs add up exactly: 128 bins per
// octave (the first seven bits of the mantissa) from 2^-16 to 2^25 for either sign, and one bin around zero.
// Bins are numbered by value.
class Histogram {
 public:
  static constexpr std::int32_t kPerOctave = 128;
  static constexpr std::int32_t kLowestExponent = -16, kHighestExponent = 25;
  static constexpr std::int32_t kHalf = (kHighestExponent - kLowestExponent) * kPerOctave;
  static constexpr std::int32_t kBins = 2 * kHalf + 1;

  // Values beyond the last bin are counted in it. `value` is finite.
  static std::int32_t bin(float value);
  static double lower_edge(std::int32_t bin);
  static double upper_edge(std::int32_t bin);
};

// Bins of equal width over [edges.front(), edges.back()], what the pickers of ranges work on.
struct LinearHistogram {
  std::vector<double> counts;
  std::vector<float> edges;  // counts.size() + 1
  float low = 0;             // the smallest and largest value that was seen
  float high = 0;
};

// Spreads `counts` (Histogram::kBins of them, or none) over `bins` bins of [from, to], each bin's count
// evenly over its width; low and high bound the values that were seen.
LinearHistogram linear_histogram(std::span<const std::int64_t> counts, float low, float high, float from,
                                 float to, std::int64_t bins);

}  // namespace bantam

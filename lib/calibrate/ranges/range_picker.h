#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "calibrate/statistics/histogram.h"
#include "calibrate/statistics/statistics_data.h"

namespace bantam {

// What an 8-bit grid spans: codes 0 to 255 from low to high. Always low <= 0 <= high, so that zero is exact.
struct Range {
  float low = 0;
  float high = 0;
};

// A way to choose the range of an activation from what was seen of it. One file each.
struct RangePicker {
  std::string_view name;  // as on the command line
  std::string_view summary;
  // `seen` has rows and histograms.
  Range (*pick)(const SiteStatistics& seen);
};

// The one list, in list.cc; the first is the default.
std::span<const RangePicker> range_pickers();
// Empty: the default. A name that is not in the list is a usage error that names those that are.
const RangePicker& find_range_picker(std::string_view name);

Range min_max_range(const SiteStatistics& seen);
Range percentile_range(const SiteStatistics& seen);
Range entropy_range(const SiteStatistics& seen);
Range mse_range(const SiteStatistics& seen);
Range output_error_range(const SiteStatistics& seen);

// The histogram as onnxruntime's calibrators have it: `bins` over [-t, t], t the largest magnitude seen.
LinearHistogram centred_histogram(const SiteStatistics& seen, std::int64_t bins);

// Cuts (100 - percentile) / 2 percent off either end, at edges of bins: onnxruntime's PercentileCalibrater
// with symmetric = False.
Range percentile_threshold(const LinearHistogram& histogram, double percentile);

// The symmetric threshold at which the distribution of the values, quantized to `levels` bins, diverges least
// from what it was (Kullback and Leibler): the method of TensorRT (S. Migacz, "8-bit inference with
// TensorRT", GTC 2017) as onnxruntime's EntropyCalibrater has it, smoothing and integer division included.
// The histogram is centred on zero. Every `step`-th threshold is tried.
Range entropy_threshold(const LinearHistogram& histogram, std::int64_t levels, std::int64_t step);

// The range of least squared error of the values after rounding to 256 levels, `counts` being a Histogram:
// steps of a tenth of an octave are taken off either end in turn as long as that helps. low and high bound
// the values.
Range least_error_range(std::span<const std::int64_t> counts, float low, float high);
// That error, summed over all counts.
double range_error(std::span<const std::int64_t> counts, Range range, float low, float high);

}  // namespace bantam

#include "calibrate/metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "calibrate/metrics/agreement.h"

namespace bantam {
namespace {

Interval resample(std::int64_t count, const BootstrapOptions& options,
                  const std::function<double(std::span<const std::int64_t>)>& figure) {
  BANTAM_ASSERT(count > 0 && count < (std::int64_t{1} << 32));
  std::vector<std::int64_t> samples(static_cast<std::size_t>(count));
  std::iota(samples.begin(), samples.end(), std::int64_t{0});
  Interval interval;
  interval.value = figure(samples);
  Random random(options.seed);
  std::vector<double> figures;
  for (int i = 0; i < options.resamples; ++i) {
    for (std::int64_t& sample : samples) sample = random.below(count);
    const double value = figure(samples);
    if (std::isfinite(value)) figures.push_back(value);
  }
  interval.low = figures.empty() ? interval.value : quantile(figures, 0.025);
  interval.high = figures.empty() ? interval.value : quantile(figures, 0.975);
  return interval;
}

}  // namespace

Interval bootstrap(std::int64_t count, const SampleScore& score, const BootstrapOptions& options) {
  return resample(count, options, score);
}

Interval paired_retention(std::int64_t count, const SampleScore& score, const SampleScore& reference,
                          const BootstrapOptions& options) {
  return resample(count, options,
                  [&](std::span<const std::int64_t> samples) { return score(samples) / reference(samples); });
}

std::int64_t samples_to_decide(const Interval& interval, double limit, std::int64_t count) {
  const double distance = std::abs(interval.value - limit);
  const double half = limit < interval.value ? interval.value - interval.low : interval.high - interval.value;
  if (distance == 0) return 0;
  const double factor = half / distance;
  return std::max(count, static_cast<std::int64_t>(
                             std::ceil(std::min(1e12, static_cast<double>(count) * factor * factor))));
}

}  // namespace bantam

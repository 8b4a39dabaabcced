#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace bantam {

// A score over a multiset of samples, given by their indices: accuracy, F1, Spearman, ...
using SampleScore = std::function<double(std::span<const std::int64_t> samples)>;

struct Interval {
  double value = 0;  // over all samples once
  double low = 0;    // 2.5 % quantile over resamples
  double high = 0;   // 97.5 %
};

struct BootstrapOptions {
  int resamples = 1000;
  std::uint64_t seed = 0;
};

// Percentile bootstrap (Efron 1979) of a score over `count` samples. Deterministic for a seed.
Interval bootstrap(std::int64_t count, const SampleScore& score, const BootstrapOptions& options = {});

// Paired bootstrap of score / reference: both are taken over the same resample, so that what is hard for both
// cancels. Resamples whose reference score is 0 are left out.
Interval paired_retention(std::int64_t count, const SampleScore& score, const SampleScore& reference,
                          const BootstrapOptions& options = {});

// How many samples would make the interval's half width equal to its distance from `limit`, if it shrinks
// with the square root of the count (at least `count`); 0 when value and limit are equal and no number
// decides.
std::int64_t samples_to_decide(const Interval& interval, double limit, std::int64_t count);

}  // namespace bantam

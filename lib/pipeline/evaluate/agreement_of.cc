#include "pipeline/evaluate/agreement_of.h"

#include <algorithm>
#include <numeric>

namespace bantam {
namespace {

// What a histogram needs of a long list of positions.
constexpr std::size_t kHistogramPoints = 2000;

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

Agreement agreement_of(const AgreementCollector& collected) {
  Agreement agreement;
  agreement.positions = collected.positions();
  if (agreement.positions == 0) return agreement;
  agreement.top1 = collected.top1();
  agreement.max_abs = collected.max_abs();
  const std::vector<double>& cosines = collected.cosines();
  agreement.cosine_mean = mean(cosines);
  agreement.cosine_p1 = quantile(cosines, 0.01);
  agreement.cosine_min = *std::ranges::min_element(cosines);
  const std::vector<double>& kl = collected.kl();
  if (kl.empty()) return agreement;
  agreement.kl_mean = mean(kl);
  agreement.kl_p999 = quantile(kl, 0.999);
  agreement.kl_max = *std::ranges::max_element(kl);
  const std::size_t step = (kl.size() + kHistogramPoints - 1) / kHistogramPoints;
  for (std::size_t i = 0; i < kl.size(); i += step) agreement.kl.push_back(kl[i]);
  return agreement;
}

Estimate to_estimate(const Interval& interval) {
  return {interval.value, interval.low, interval.high};
}

}  // namespace bantam

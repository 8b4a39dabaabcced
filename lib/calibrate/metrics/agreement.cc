#include "calibrate/metrics/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace bantam {
namespace {

// log(sum(exp(x))) without overflow.
double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

double kl_divergence(std::span<const float> reference, std::span<const float> logits) {
  BANTAM_ASSERT(reference.size() == logits.size() && !reference.empty());
  if (!all_finite(reference) || !all_finite(logits)) return std::numeric_limits<double>::infinity();
  const double p_norm = log_sum_exp(reference), q_norm = log_sum_exp(logits);
  double sum = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = reference[i] - p_norm, log_q = logits[i] - q_norm;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(sum, 0.0);  // rounding may leave it a little below
}

double cosine(std::span<const float> a, std::span<const float> b) {
  BANTAM_ASSERT(a.size() == b.size());
  double dot = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  if (aa == 0 && bb == 0) return 1;
  if (aa == 0 || bb == 0 || !std::isfinite(aa) || !std::isfinite(bb)) return 0;
  return dot / std::sqrt(aa) / std::sqrt(bb);
}

double sqnr_db(std::span<const float> reference, std::span<const float> values) {
  BANTAM_ASSERT(reference.size() == values.size());
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double difference = static_cast<double>(reference[i]) - values[i];
    signal += static_cast<double>(reference[i]) * reference[i];
    noise += difference * difference;
  }
  if (noise == 0) return kExactSqnr;
  if (signal == 0 || !std::isfinite(noise)) return -kExactSqnr;
  return std::clamp(10 * std::log10(signal / noise), -kExactSqnr, kExactSqnr);
}

double quantile(std::vector<double> values, double q) {
  BANTAM_ASSERT(!values.empty() && q >= 0 && q <= 1);
  const double position = q * static_cast<double>(values.size() - 1);
  const auto index = static_cast<std::size_t>(position);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index), values.end());
  const double low = values[index];
  if (index + 1 == values.size()) return low;
  const double high =
      *std::min_element(values.begin() + static_cast<std::ptrdiff_t>(index) + 1, values.end());
  const double share = position - static_cast<double>(index);
  return share == 0 || low == high ? low : low + share * (high - low);  // both may be infinite
}

void AgreementCollector::add(std::span<const float> reference, std::span<const float> values) {
  BANTAM_ASSERT(reference.size() == values.size() && !reference.empty());
  cosines_.push_back(cosine(reference, values));
  if (distribution_ && reference.size() > 1) {
    kl_.push_back(kl_divergence(reference, values));
    const auto top = [](std::span<const float> row) {
      return std::max_element(row.begin(), row.end()) - row.begin();
    };
    same_top_ += top(reference) == top(values) ? 1 : 0;
  }
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double difference = std::abs(static_cast<double>(reference[i]) - values[i]);
    max_abs_ =
        std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(max_abs_, difference);
  }
}

void AgreementCollector::add_rows(std::span<const float> reference, std::span<const float> values,
                                  std::int64_t width) {
  BANTAM_ASSERT(width > 0 && std::ssize(reference) % width == 0);
  for (std::size_t row = 0; row < reference.size(); row += static_cast<std::size_t>(width)) {
    add(reference.subspan(row, static_cast<std::size_t>(width)),
        values.subspan(row, static_cast<std::size_t>(width)));
  }
}

double AgreementCollector::top1() const {
  return kl_.empty() ? 1 : static_cast<double>(same_top_) / static_cast<double>(kl_.size());
}

}  // namespace bantam

#include "calibrate/metrics/token_agreement.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "calibrate/metrics/agreement.h"
#include "calibrate/metrics/perplexity.h"

namespace bantam {
namespace {

std::ptrdiff_t top(std::span<const float> row) {
  return std::ranges::max_element(row) - row.begin();
}

}  // namespace

void TokenAgreementCollector::add(std::span<const float> reference, std::span<const float> logits,
                                  std::int64_t token) {
  const double loss = negative_log_likelihood(logits, token);
  const double reference_loss = negative_log_likelihood(reference, token);
  const double delta_p = std::exp(-loss) - std::exp(-reference_loss);
  kl_.push_back(kl_divergence(reference, logits));
  open_.tokens += 1;
  open_.loss += loss;
  open_.reference_loss += reference_loss;
  open_.kl += kl_.back();
  open_.delta_p += delta_p;
  open_.delta_p_squares += delta_p * delta_p;
  open_.same_top += top(reference) == top(logits) ? 1 : 0;
}

void TokenAgreementCollector::end_window() {
  if (open_.tokens > 0) windows_.push_back(open_);
  open_ = {};
}

Measured TokenAgreementCollector::mean(double Sums::*sum, double Sums::*minus) const {
  const auto of = [&](const Sums& window) { return window.*sum - (minus != nullptr ? window.*minus : 0); };
  double all = 0, tokens = 0, squares = 0;
  for (const Sums& window : windows_) {
    all += of(window);
    tokens += window.tokens;
  }
  const double value = all / tokens;
  for (const Sums& window : windows_) {
    const double residual = of(window) - value * window.tokens;
    squares += residual * residual;
  }
  const auto count = static_cast<double>(windows_.size());
  return {value, count < 2 ? 0 : std::sqrt(squares * count / (count - 1)) / tokens};
}

TokenAgreement TokenAgreementCollector::result() const {
  BANTAM_ASSERT(!windows_.empty() && open_.tokens == 0);
  const auto exponential = [](const Measured& loss) {
    return Measured{std::exp(loss.value), std::exp(loss.value) * loss.error};
  };
  TokenAgreement agreement;
  agreement.tokens = std::ssize(kl_);
  agreement.windows = std::ssize(windows_);
  agreement.perplexity = exponential(mean(&Sums::loss));
  agreement.reference_perplexity = exponential(mean(&Sums::reference_loss));
  agreement.ln_perplexity_ratio = mean(&Sums::loss, &Sums::reference_loss);
  agreement.perplexity_ratio = exponential(agreement.ln_perplexity_ratio);
  agreement.kl_mean = mean(&Sums::kl);
  agreement.kl_median = quantile(kl_, 0.5);
  agreement.kl_p99 = quantile(kl_, 0.99);
  agreement.kl_p999 = quantile(kl_, 0.999);
  agreement.kl_max = *std::ranges::max_element(kl_);
  agreement.delta_p_mean = mean(&Sums::delta_p);
  const Measured squares = mean(&Sums::delta_p_squares);
  const double rms = std::sqrt(squares.value);
  agreement.delta_p_rms = {rms, rms > 0 ? squares.error / (2 * rms) : 0};
  agreement.same_top = mean(&Sums::same_top);
  return agreement;
}

}  // namespace bantam

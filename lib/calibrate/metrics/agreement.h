#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

// KL(P || Q) in nats, P and Q the softmax of the two rows of logits; computed in double from
// log-probabilities. Infinity when either row holds NaN or infinity.
double kl_divergence(std::span<const float> reference, std::span<const float> logits);

// Cosine of two vectors; 1 for two zero vectors, 0 for one.
double cosine(std::span<const float> a, std::span<const float> b);

// Signal to quantization noise, 20 log10(|x| / |x - y|); kExactSqnr for equal vectors.
inline constexpr double kExactSqnr = 200;
double sqnr_db(std::span<const float> reference, std::span<const float> values);

// The value below which a share q (0..1) of `values` lies, by linear interpolation (numpy.quantile's
// default).
double quantile(std::vector<double> values, double q);

// Collects how close outputs are to the reference's, row by row.
class AgreementCollector {
 public:
  // `distribution`: rows are logits of a softmax over at least two classes, and KL and top-1 mean something.
  explicit AgreementCollector(bool distribution) : distribution_(distribution) {}

  void add(std::span<const float> reference, std::span<const float> values);
  // The same for a matrix of rows of `width`.
  void add_rows(std::span<const float> reference, std::span<const float> values, std::int64_t width);

  std::int64_t positions() const { return static_cast<std::int64_t>(cosines_.size()); }
  const std::vector<double>& kl() const { return kl_; }
  const std::vector<double>& cosines() const { return cosines_; }
  double top1() const;  // share of equal arg max; 1 when nothing was compared
  double max_abs() const { return max_abs_; }

 private:
  bool distribution_;
  std::vector<double> kl_;
  std::vector<double> cosines_;
  std::int64_t same_top_ = 0;
  double max_abs_ = 0;
};

}  // namespace bantam

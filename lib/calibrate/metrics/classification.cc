#include "calibrate/metrics/classification.h"

#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

double ratio(double numerator, double denominator) {
  return denominator == 0 ? 0 : numerator / denominator;
}
double as_double(std::int64_t value) {
  return static_cast<double>(value);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int64_t classes)
    : classes_(classes),
      counts_(static_cast<std::size_t>(classes * classes)),
      expected_(static_cast<std::size_t>(classes)),
      predicted_(static_cast<std::size_t>(classes)) {
  BANTAM_ASSERT(classes >= 1 && classes <= (1 << 14));
}

void ConfusionMatrix::add(std::int64_t expected, std::int64_t predicted) {
  BANTAM_ASSERT(expected >= 0 && expected < classes_ && predicted >= 0 && predicted < classes_);
  ++counts_[static_cast<std::size_t>(expected * classes_ + predicted)];
  ++expected_[static_cast<std::size_t>(expected)];
  ++predicted_[static_cast<std::size_t>(predicted)];
  ++total_;
}

std::int64_t ConfusionMatrix::count(std::int64_t expected, std::int64_t predicted) const {
  return counts_[static_cast<std::size_t>(expected * classes_ + predicted)];
}

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (std::int64_t c = 0; c < classes_; ++c) right += count(c, c);
  return ratio(as_double(right), as_double(total_));
}

double ConfusionMatrix::f1(Average average) const {
  // Every sample has one label and one prediction, so that false positives and negatives are as many.
  if (average == Average::kMicro) return accuracy();
  const auto of_class = [&](std::int64_t c) {
    const auto i = static_cast<std::size_t>(c);
    return ratio(2 * as_double(count(c, c)), as_double(expected_[i] + predicted_[i]));
  };
  if (average == Average::kBinary) {
    BANTAM_ASSERT(classes_ == 2);
    return of_class(1);
  }
  double sum = 0, weights = 0;
  for (std::int64_t c = 0; c < classes_; ++c) {
    const auto i = static_cast<std::size_t>(c);
    if (expected_[i] + predicted_[i] == 0) continue;
    const double weight = average == Average::kWeighted ? as_double(expected_[i]) : 1;
    sum += weight * of_class(c);
    weights += weight;
  }
  return ratio(sum, weights);
}

double ConfusionMatrix::matthews() const {
  double right = 0, cross = 0, expected_squares = 0, predicted_squares = 0;
  for (std::int64_t c = 0; c < classes_; ++c) {
    const auto i = static_cast<std::size_t>(c);
    right += as_double(count(c, c));
    cross += as_double(expected_[i]) * as_double(predicted_[i]);
    expected_squares += as_double(expected_[i]) * as_double(expected_[i]);
    predicted_squares += as_double(predicted_[i]) * as_double(predicted_[i]);
  }
  const double total = as_double(total_);
  const double denominator = (total * total - predicted_squares) * (total * total - expected_squares);
  return denominator <= 0 ? 0 : (right * total - cross) / std::sqrt(denominator);
}

}  // namespace bantam

#include "calibrate/answers/classes.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bantam {

ClassFunction class_function(const Json& config, std::int64_t classes) {
  std::string problem;
  if (config.is_object() && config.contains("problem_type") && config["problem_type"].is_string()) {
    problem = config["problem_type"].get<std::string>();
  }
  if (problem == "regression") return ClassFunction::kNone;
  if (problem == "multi_label_classification" || classes == 1) return ClassFunction::kSigmoid;
  return ClassFunction::kSoftmax;
}

std::vector<double> softmax(std::span<const float> logits) {
  double largest = -HUGE_VAL;
  for (const float logit : logits) largest = std::max(largest, static_cast<double>(logit));
  std::vector<double> scores;
  double sum = 0;
  for (const float logit : logits) {
    scores.push_back(std::exp(static_cast<double>(logit) - largest));
    sum += scores.back();
  }
  for (double& score : scores) score /= sum;
  return scores;
}

std::vector<ClassScore> class_scores(std::span<const float> logits, ClassFunction function) {
  std::vector<double> values(logits.begin(), logits.end());
  if (function == ClassFunction::kSoftmax) values = softmax(logits);
  if (function == ClassFunction::kSigmoid) {
    for (double& value : values) value = 1 / (1 + std::exp(-value));
  }
  std::vector<ClassScore> scores;
  for (const double value : values) scores.push_back({std::ssize(scores), value});
  // NaN, which has no place in an order, comes last.
  const auto key = [](const ClassScore& score) { return std::isnan(score.score) ? -HUGE_VAL : score.score; };
  std::ranges::stable_sort(scores, [&](const ClassScore& a, const ClassScore& b) { return key(a) > key(b); });
  return scores;
}

std::int64_t arg_max(std::span<const float> values) {
  BANTAM_ASSERT(!values.empty());
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best] || (std::isnan(values[best]) && !std::isnan(values[i]))) best = i;
  }
  return static_cast<std::int64_t>(best);
}

}  // namespace bantam

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"

namespace bantam {

// From logits to scores of classes.
enum class ClassFunction { kSoftmax, kSigmoid, kNone };

// As the pipeline of transformers chooses: problem_type "regression" leaves logits as they are, multi-label
// and single-logit models take the sigmoid, others the softmax.
ClassFunction class_function(const Json& config, std::int64_t classes);

struct ClassScore {
  std::int64_t id = 0;
  double score = 0;
};

// All classes of one row of logits, best first; equal scores by id.
std::vector<ClassScore> class_scores(std::span<const float> logits, ClassFunction function);

std::vector<double> softmax(std::span<const float> logits);

// Index of the largest value, the first of equals; NaN counts as smallest. `values` is not empty.
std::int64_t arg_max(std::span<const float> values);

}  // namespace bantam

#include "pipeline/evaluate/evaluation_task.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int64_t kLongestByDefault = 512;

}  // namespace

std::string choose_metric(const std::string& wanted, std::span<const std::string_view> known, Task task) {
  if (wanted.empty()) return std::string(known.front());
  if (std::ranges::find(known, wanted) != known.end()) return wanted;
  fail_usage("there is no metric {} for {}; known are {}", quote(wanted), name(task), fmt::join(known, ", "));
}

EncodeOptions cut_to(const Tokenizer& tokenizer, const Config& config, std::int64_t max_length) {
  std::int64_t limit = tokenizer.max_length().value_or(kLongestByDefault);
  limit = std::min(limit, config.integer_or("max_position_embeddings", kLongestByDefault, 1));
  limit = std::min(limit, max_length > 0 ? max_length : kLongestByDefault);
  return {.truncation = Truncation::kLongestFirst, .max_length = limit};
}

std::vector<float> output_floats(const Tensors& outputs, std::string_view name) {
  return to_floats(output(outputs, name));
}

EvaluationTaskPtr make_evaluation_task(const BundleModel& bundle, Task task,
                                       const EvaluationTaskOptions& options) {
  switch (task) {
    case Task::kTextClassification:
      return make_classification(bundle, options);
    case Task::kTokenClassification:
      return make_token_classification(bundle, options);
    case Task::kQuestionAnswering:
      return make_question_answering(bundle, options);
    case Task::kFillMask:
      return make_fill_mask(bundle, options);
    case Task::kFeatureExtraction:
      return make_feature_extraction(bundle, options);
    case Task::kTextGeneration:
      return make_text_generation(bundle, options);
  }
  BANTAM_ASSERT(false);
}

}  // namespace bantam

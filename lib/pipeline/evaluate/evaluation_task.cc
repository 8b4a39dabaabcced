#include "pipeline/evaluate/evaluation_task.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

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

// Where scoring begins is kept in the encoding itself: context before it is of no sequence.
Encoding scored_from(std::vector<std::int64_t> ids, std::int64_t first) {
  Encoding encoding;
  encoding.ids = std::move(ids);
  const auto tokens = encoding.ids.size();
  encoding.attention_mask.assign(tokens, 1);
  encoding.type_ids.assign(tokens, 0);
  encoding.special.assign(tokens, 0);
  encoding.sequence_ids.assign(tokens, 0);
  std::fill_n(encoding.sequence_ids.begin(), first, -1);
  return encoding;
}

std::int64_t first_scored(const Encoding& encoding) {
  return std::ranges::find(encoding.sequence_ids, 0) - encoding.sequence_ids.begin();
}

Rows scored_rows(const Encoding& encoding, const Tensors& outputs) {
  const std::vector<float> logits = output_floats(outputs, "logits");
  const std::size_t width = logits.size() / encoding.ids.size();
  Rows rows;
  for (std::int64_t token = first_scored(encoding); token < encoding.size(); ++token) {
    const auto row = std::span(logits).subspan(static_cast<std::size_t>(token - 1) * width, width);
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
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

#include "convert/blocks/heads.h"

#include <array>

#include "base/error.h"
#include "convert/blocks/activation.h"

namespace bantam {
namespace {

Dim batch() {
  return Dim::named("batch_size");
}
Dim sequence() {
  return Dim::named("sequence_length");
}

}  // namespace

ValueId pool_first_token(const Module& dense, TokenInputs& inputs, ValueId x, std::int64_t width, Role role) {
  const ValueId first = first_token(dense, inputs, x, width);
  return activate(dense, linear(dense, first, width, width, role), "tanh");
}

ValueId transform(const Module& dense, const Module& norm_module, ValueId x, std::int64_t in,
                  std::int64_t out, std::string_view activation, const Norm& norm) {
  const ValueId activated = activate(dense, linear(dense, x, in, out, Role::kHeadTransform), activation);
  return normalize(norm_module, activated, out, norm);
}

void output_hidden_states(const Module& root, TokenInputs& inputs, ValueId x, std::int64_t width) {
  root.builder().output(by_sequence(root, inputs, x, width), "last_hidden_state",
                        {batch(), sequence(), Dim::fixed(width)});
}

void output_sequence_logits(const Module& root, ValueId x, std::int64_t width) {
  root.builder().output(x, "logits", {batch(), Dim::fixed(width)});
}

void output_token_logits(const Module& root, TokenInputs& inputs, ValueId x, std::int64_t width) {
  root.builder().output(by_sequence(root, inputs, x, width), "logits",
                        {batch(), sequence(), Dim::fixed(width)});
}

void output_answer_spans(const Module& root, TokenInputs& inputs, const Config& config, ValueId x,
                         std::int64_t width) {
  const std::int64_t labels = label_count(config);
  if (labels != 2) {
    fail("{}: id2label has {} labels where question answering needs 2 (start and end)",
         config.path().string(), labels);
  }
  GraphBuilder& builder = root.builder();
  const Module head = root / "qa_outputs";
  const ValueId both = by_sequence(head, inputs, linear(head, x, width, 2, Role::kHead), 2);
  const std::vector<ValueId> parts =
      head.op_many("Split", {both, builder.constant({1, 1})}, 2, {{"axis", std::int64_t{-1}}});
  constexpr std::array<std::string_view, 2> kNames = {"start_logits", "end_logits"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const ValueId flat = head.op("Squeeze", {parts[i], builder.constant({-1})});
    builder.output(flat, std::string(kNames[i]), {batch(), sequence()});
  }
}

void output_token_classes(const Module& root, TokenInputs& inputs, const Config& config, ValueId x,
                          std::int64_t width) {
  const std::int64_t labels = label_count(config);
  output_token_logits(root, inputs, linear(root / "classifier", x, width, labels, Role::kHead), labels);
}

void output_sequence_classes(const Module& root, const Module& classifier, const Config& config,
                             ValueId pooled, std::int64_t width) {
  const std::int64_t labels = label_count(config);
  output_sequence_logits(root, linear(classifier, pooled, width, labels, Role::kHead), labels);
}

void output_shared_head(const Module& root, TokenInputs& inputs, const Config& config, Task task, ValueId x,
                        std::int64_t width) {
  switch (task) {
    case Task::kFeatureExtraction:
      return output_hidden_states(root, inputs, x, width);
    case Task::kTokenClassification:
      return output_token_classes(root, inputs, config, x, width);
    case Task::kQuestionAnswering:
      return output_answer_spans(root, inputs, config, x, width);
    case Task::kFillMask:
    case Task::kTextClassification:
    case Task::kTextGeneration:
      break;
  }
  BANTAM_ASSERT(false);
}

}  // namespace bantam

// RoBERTa (arXiv:1907.11692) and XLM-RoBERTa (arXiv:1911.02116): BERT's encoder with positions that count
// from the padding id, one type of token and other heads.
#include "convert/blocks/embeddings.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"roberta", "xlm-roberta"};

const HeadTensors kHeads[] = {
    {"pooler.*", {}},
    {"classifier.*", {Task::kTextClassification, Task::kTokenClassification}},
    {"qa_outputs.*", {Task::kQuestionAnswering}},
    {"lm_head.*", {Task::kFillMask}},
};

constexpr VocabularyNames kVocabulary = {
    .embedding = "embeddings/word_embeddings", .decoder = "lm_head/decoder", .bias = "lm_head"};

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("roberta", task);
  const EncoderConfig config = read_encoder_config(checkpoint.config);
  const std::int64_t padding_id = checkpoint.config.integer_or("pad_token_id", 1);
  Weights weights(checkpoint);
  weights.strip_prefix({"roberta."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kNone);

  const ValueId words = word_embeddings(root, kVocabulary, config, task);
  const Module embeddings = root / "embeddings";
  const ValueId positions = positions_after_padding(embeddings, inputs, padding_id);
  // Every token is of type 0; callers do not say so.
  ValueId x = embed_tokens(embeddings, inputs, config, words,
                           {.positions = positions, .types = root.builder().constant({0})});
  x = post_norm_layers(root / "encoder", kBertLayer, config, inputs, x, {attention_bias(root, inputs)});

  switch (task) {
    case Task::kFillMask: {
      const Module head = root / "lm_head";
      x = transform(head / "dense", head / "layer_norm", x, config.hidden, config.hidden, "gelu",
                    config.norm);
      output_vocabulary(root, inputs, kVocabulary, config, x, words);
      break;
    }
    case Task::kTextClassification: {
      const Module head = root / "classifier";
      x = pool_first_token(head / "dense", inputs, x, config.hidden, Role::kHeadTransform);
      output_sequence_classes(root, head / "out_proj", checkpoint.config, x, config.hidden);
      break;
    }
    default:
      output_shared_head(root, inputs, checkpoint.config, task, x, config.hidden);
  }
  leave_out_other_heads(model, weights, kHeads);
  weights.finish();
  return model;
}

}  // namespace

const Architecture kRoberta = {
    .family = "roberta", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

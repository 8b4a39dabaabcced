// ELECTRA (arXiv:2003.10555): BERT's encoder with embeddings of their own width. Generators carry the
// masked-language head; discriminators one that tells replaced tokens from real ones, which no pipeline asks
// for.
#include "convert/blocks/activation.h"
#include "convert/blocks/embeddings.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"electra"};

const HeadTensors kHeads[] = {
    {"classifier.*", {Task::kTextClassification, Task::kTokenClassification}},
    {"qa_outputs.*", {Task::kQuestionAnswering}},
    {"generator_predictions.*", {Task::kFillMask}},
    {"generator_lm_head.*", {Task::kFillMask}},
    {"discriminator_predictions.*", {}},
};

constexpr VocabularyNames kVocabulary = {
    .embedding = "embeddings/word_embeddings", .decoder = "generator_lm_head", .bias = "generator_lm_head"};

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("electra", task);
  EncoderConfig config = read_encoder_config(checkpoint.config);
  config.embedding = checkpoint.config.integer_or("embedding_size", 128, 1);
  Weights weights(checkpoint);
  weights.strip_prefix({"electra."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kInput);

  const ValueId words = word_embeddings(root, kVocabulary, config, task);
  ValueId x = embed_tokens(root / "embeddings", inputs, config, words,
                           {.positions = inputs.range(), .types = inputs.types()});
  if (config.embedding != config.hidden) {
    x = linear(root / "embeddings_project", x, config.embedding, config.hidden, Role::kEmbeddingProjection);
  }
  x = post_norm_layers(root / "encoder", kBertLayer, config, inputs, x, {attention_bias(root, inputs)});

  switch (task) {
    case Task::kFillMask: {
      const Module head = root / "generator_predictions";
      x = transform(head / "dense", head / "LayerNorm", x, config.hidden, config.embedding, "gelu",
                    config.norm);
      output_vocabulary(root, inputs, kVocabulary, config, x, words);
      break;
    }
    case Task::kTextClassification: {
      const Module dense = root / "classifier/dense";
      const ValueId first = first_token(dense, inputs, x, config.hidden);
      x = activate(dense, linear(dense, first, config.hidden, config.hidden, Role::kHeadTransform), "gelu");
      output_sequence_classes(root, root / "classifier/out_proj", checkpoint.config, x, config.hidden);
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

const Architecture kElectra = {
    .family = "electra", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

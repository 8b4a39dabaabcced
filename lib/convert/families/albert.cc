// ALBERT (arXiv:1909.11942): BERT's encoder with embeddings of their own width and groups of layers that
// share weights. A shared weight is one value of the graph, read by every layer of its group, and stored
// once.
#include "convert/blocks/embeddings.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/kept_heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"albert"};

const HeadTensors kHeads[] = {
    {"pooler.*", {Task::kTextClassification}},
    {"classifier.*", {Task::kTextClassification, Task::kTokenClassification}},
    {"qa_outputs.*", {Task::kQuestionAnswering}},
    {"predictions.*", {Task::kFillMask}},
    {"sop_classifier.*", {}},
};

constexpr VocabularyNames kVocabulary = {
    .embedding = "embeddings/word_embeddings", .decoder = "predictions/decoder", .bias = "predictions"};

constexpr PostNormNames kLayer = {
    .attention = "attention",
    .query = "query",
    .key = "key",
    .value = "value",
    .attention_output = "attention/dense",
    .attention_norm = "attention/LayerNorm",
    .up = "ffn",
    .down = "ffn_output",
    .output_norm = "full_layer_layer_norm",
};

ValueId encode(const Module& encoder, const Config& json, const EncoderConfig& config, TokenInputs& inputs,
               ValueId x, ValueId bias) {
  const std::int64_t groups = json.integer_or("num_hidden_groups", 1, 1, config.layers);
  const std::int64_t inner = json.integer_or("inner_group_num", 1, 1, kMaxLayers);
  check_pruned_layers(encoder, groups * inner);  // layers that share weights lose the same heads
  x = linear(encoder / "embedding_hidden_mapping_in", x, config.embedding, config.hidden,
             Role::kEmbeddingProjection);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    // As the model computes it, in floating point, where the number of groups does not divide that of layers.
    const double layers_per_group = static_cast<double>(config.layers) / static_cast<double>(groups);
    const auto group = static_cast<std::int64_t>(static_cast<double>(i) / layers_per_group);
    for (std::int64_t j = 0; j < inner; ++j) {
      const Module layer = encoder.item("albert_layer_groups", group).item("albert_layers", j);
      x = post_norm_layer(layer, kLayer, config, group * inner + j, inputs, x, {bias});
    }
  }
  return x;
}

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("albert", task);
  EncoderConfig config = read_encoder_config(checkpoint.config, "gelu_new");
  config.embedding = checkpoint.config.integer_or("embedding_size", 128, 1);
  Weights weights(checkpoint);
  weights.strip_prefix({"albert."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kInput);

  const ValueId words = word_embeddings(root, kVocabulary, config, task);
  ValueId x = embed_tokens(root / "embeddings", inputs, config, words,
                           {.positions = inputs.range(), .types = inputs.types()});
  x = encode(root / "encoder", checkpoint.config, config, inputs, x, attention_bias(root, inputs));

  switch (task) {
    case Task::kFillMask: {
      const Module head = root / "predictions";
      x = transform(head / "dense", head / "LayerNorm", x, config.hidden, config.embedding, config.activation,
                    config.norm);
      output_vocabulary(root, inputs, kVocabulary, config, x, words);
      break;
    }
    case Task::kTextClassification:
      x = pool_first_token(root / "pooler", inputs, x, config.hidden, Role::kPooler);
      output_sequence_classes(root, root / "classifier", checkpoint.config, x, config.hidden);
      break;
    default:
      output_shared_head(root, inputs, checkpoint.config, task, x, config.hidden);
  }
  leave_out_other_heads(model, weights, kHeads);
  weights.finish();
  return model;
}

}  // namespace

const Architecture kAlbert = {
    .family = "albert", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

// DistilBERT (arXiv:1910.01108): BERT's encoder without token types and pooler, under its own names. Position
// tables made of sinusoids are stored in the file like learned ones.
#include "convert/blocks/activation.h"
#include "convert/blocks/embeddings.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"distilbert"};

const HeadTensors kHeads[] = {
    {"pre_classifier.*", {Task::kTextClassification}},
    {"classifier.*", {Task::kTextClassification, Task::kTokenClassification}},
    {"qa_outputs.*", {Task::kQuestionAnswering}},
    {"vocab_transform.*", {Task::kFillMask}},
    {"vocab_layer_norm.*", {Task::kFillMask}},
    {"vocab_projector.*", {Task::kFillMask}},
};

constexpr VocabularyNames kVocabulary = {
    .embedding = "embeddings/word_embeddings", .decoder = "vocab_projector", .bias = "vocab_projector"};

constexpr PostNormNames kLayer = {
    .attention = "attention",
    .query = "q_lin",
    .key = "k_lin",
    .value = "v_lin",
    .attention_output = "attention/out_lin",
    .attention_norm = "sa_layer_norm",
    .up = "ffn/lin1",
    .down = "ffn/lin2",
    .output_norm = "output_layer_norm",
};

EncoderConfig read_config(const Config& config) {
  refuse_other_graphs(config);
  EncoderConfig result;
  result.vocabulary = config.integer("vocab_size");
  result.positions = config.integer("max_position_embeddings");
  const std::string_view hidden_key = config.first_of({"dim", "hidden_size"});
  result.hidden = config.integer(hidden_key);
  result.embedding = result.hidden;
  result.layers = config.integer(config.first_of({"n_layers", "num_hidden_layers"}), 1, kMaxLayers);
  result.intermediate = config.integer("hidden_dim");
  result.heads =
      heads_of(config, result.hidden, config.first_of({"n_heads", "num_attention_heads"}), hidden_key);
  result.activation = activation_of(config, "activation", "gelu");
  result.tied = config.boolean_or("tie_word_embeddings", true);
  return result;
}

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("distilbert", task);
  const EncoderConfig config = read_config(checkpoint.config);
  Weights weights(checkpoint);
  weights.strip_prefix({"distilbert."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kNone);

  const ValueId words = word_embeddings(root, kVocabulary, config, task);
  ValueId x = embed_tokens(root / "embeddings", inputs, config, words, {.positions = inputs.range()});
  x = post_norm_layers(root / "transformer", kLayer, config, inputs, x, {attention_bias(root, inputs)});

  switch (task) {
    case Task::kFillMask:
      x = transform(root / "vocab_transform", root / "vocab_layer_norm", x, config.hidden, config.hidden,
                    config.activation, config.norm);
      output_vocabulary(root, inputs, kVocabulary, config, x, words);
      break;
    case Task::kTextClassification: {
      const Module dense = root / "pre_classifier";
      const ValueId first = first_token(dense, inputs, x, config.hidden);
      x = activate(dense, linear(dense, first, config.hidden, config.hidden, Role::kHeadTransform), "relu");
      output_sequence_classes(root, root / "classifier", checkpoint.config, x, config.hidden);
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

const Architecture kDistilBert = {
    .family = "distilbert", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

// BERT (arXiv:1810.04805), with the names of transformers' modeling_bert.py.
#include "convert/blocks/embeddings.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"bert"};

const HeadTensors kHeads[] = {
    {"pooler.*", {Task::kTextClassification}},
    {"classifier.*", {Task::kTextClassification, Task::kTokenClassification}},
    {"qa_outputs.*", {Task::kQuestionAnswering}},
    {"cls.predictions.*", {Task::kFillMask}},
    {"cls.seq_relationship.*", {}},
};

constexpr VocabularyNames kVocabulary = {.embedding = "embeddings/word_embeddings",
                                         .decoder = "cls/predictions/decoder",
                                         .bias = "cls/predictions"};

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("bert", task);
  const EncoderConfig config = read_encoder_config(checkpoint.config);
  Weights weights(checkpoint);
  weights.strip_prefix({"bert."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kInput);

  const ValueId words = word_embeddings(root, kVocabulary, config, task);
  ValueId x = embed_tokens(root / "embeddings", inputs, config, words,
                           {.positions = inputs.range(), .types = inputs.types()});
  x = post_norm_layers(root / "encoder", kBertLayer, config, inputs, x, {attention_bias(root, inputs)});

  switch (task) {
    case Task::kFillMask: {
      const Module head = root / "cls/predictions/transform";
      x = transform(head / "dense", head / "LayerNorm", x, config.hidden, config.hidden, config.activation,
                    config.norm);
      output_vocabulary(root, inputs, kVocabulary, config, x, words);
      break;
    }
    case Task::kTextClassification:
      x = pool_first_token(root / "pooler/dense", inputs, x, config.hidden, Role::kPooler);
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

const Architecture kBert = {.family = "bert", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

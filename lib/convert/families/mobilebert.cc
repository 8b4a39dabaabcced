// MobileBERT (arXiv:2004.02984): narrow layers between bottlenecks, several feed-forward networks in each,
// embeddings of three neighbouring tokens, and normalization that the model may leave out.
#include <limits>

#include "base/error.h"
#include "convert/blocks/activation.h"
#include "convert/blocks/coupling.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/kept_heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"mobilebert"};

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

struct MobileConfig {
  EncoderConfig encoder;
  bool trigram = true;
  bool bottleneck = true;
  bool bottleneck_attention = false;    // the residual's bottleneck feeds q, k and v, too
  bool shared_query_bottleneck = true;  // a second bottleneck feeds q and k
  bool pooler_activation = true;
  std::int64_t inner = 0;  // width inside of a layer
  std::int64_t feed_forwards = 0;
  Norm default_norm;  // some norms are made without the config's epsilon
};

Norm norm_of(const Config& config, double epsilon) {
  const std::string kind = config.string_or("normalization_type", "no_norm");
  if (kind == "no_norm") return {NormKind::kNoNorm, epsilon};
  if (kind == "layer_norm") return {NormKind::kLayerNorm, epsilon};
  fail("{}: normalization_type: {} where no_norm or layer_norm was expected", config.path().string(),
       quote(kind));
}

MobileConfig read_config(const Config& config) {
  MobileConfig result;
  result.encoder = read_encoder_sizes(config, "relu");
  result.encoder.embedding = config.integer_or("embedding_size", 128, 1);
  result.encoder.norm = norm_of(config, result.encoder.norm.epsilon);
  result.default_norm = norm_of(config, 1e-5);
  result.trigram = config.boolean_or("trigram_input", true);
  result.bottleneck = config.boolean_or("use_bottleneck", true);
  result.bottleneck_attention = config.boolean_or("use_bottleneck_attention", false);
  result.shared_query_bottleneck = config.boolean_or("key_query_shared_bottleneck", true);
  result.pooler_activation = config.boolean_or("classifier_activation", true);
  result.feed_forwards = config.integer_or("num_feedforward_networks", 4, 1, kMaxLayers);
  result.inner =
      result.bottleneck ? config.integer_or("intra_bottleneck_size", 128, 1) : result.encoder.hidden;
  result.encoder.heads = heads_of(config, result.inner, "num_attention_heads",
                                  result.bottleneck ? "intra_bottleneck_size" : "hidden_size");
  const bool narrow_query =
      !result.bottleneck || result.bottleneck_attention || result.shared_query_bottleneck;
  if (!narrow_query && result.inner != result.encoder.hidden) {
    fail(
        "{}: key_query_shared_bottleneck is false, so that queries read hidden_size {} where "
        "intra_bottleneck_size {} was "
        "expected",
        config.path().string(), result.encoder.hidden, result.inner);
  }
  return result;
}

// Each token's embedding between its right and its left neighbour's; zeros beyond the ends.
ValueId with_neighbours(const Module& module, ValueId words) {
  GraphBuilder& builder = module.builder();
  const ValueId axis = builder.constant({1});
  const ValueId padded = module.op("Pad", {words, builder.constant({1, 1}), builder.scalar(0.0F), axis},
                                   {{"mode", std::string("constant")}});
  const ValueId end = builder.constant({std::numeric_limits<std::int64_t>::max()});
  const ValueId next = module.op("Slice", {padded, builder.constant({2}), end, axis});
  const ValueId previous = module.op("Slice", {padded, builder.constant({0}), builder.constant({-2}), axis});
  return module.op("Concat", {next, words, previous}, {{"axis", std::int64_t{-1}}});
}

ValueId embed(const Module& module, TokenInputs& inputs, const MobileConfig& config, ValueId words) {
  const EncoderConfig& sizes = config.encoder;
  const std::int64_t hidden = sizes.hidden;
  ValueId x = (module / "word_embeddings").op("Gather", {words, inputs.ids()});
  if (config.trigram) x = with_neighbours(module, x);
  if (config.trigram || sizes.embedding != hidden) {
    const std::int64_t width = config.trigram ? 3 * sizes.embedding : sizes.embedding;
    const Module dense = module / "embedding_transformation";
    x = linear(dense, by_row(dense, x, width), width, hidden, Role::kEmbeddingProjection);
    x = by_sequence(dense, inputs, x, hidden);
  } else {
    module.weights().drop(
        {module.tensor("embedding_transformation") + ".*"});  // in every file, unused by this one
  }
  const ValueId positions = embedding(module / "position_embeddings", inputs.range(), sizes.positions, hidden,
                                      Role::kPositionEmbedding);
  const ValueId types = embedding(module / "token_type_embeddings", inputs.types(), sizes.token_types, hidden,
                                  Role::kTypeEmbedding);
  x = module.op("Add", {module.op("Add", {x, positions}), types});
  return by_row(module, normalize(module / "LayerNorm", x, hidden, config.default_norm), hidden);
}

// norm(dense(x))
ValueId squeeze(const Module& module, const MobileConfig& config, ValueId x) {
  const ValueId narrow = linear(module / "dense", x, config.encoder.hidden, config.inner, Role::kBottleneck);
  return normalize(module / "LayerNorm", narrow, config.inner, config.encoder.norm);
}

// norm(down(activation(up(x))) + x)
ValueId feed_forward(const Module& module, const MobileConfig& config, ValueId x, const Norm& norm) {
  const Module up = module / "intermediate/dense";
  const std::int64_t wide = config.encoder.intermediate;
  const ValueId activated =
      activate(up, linear(up, x, config.inner, wide, Role::kMlpUp), config.encoder.activation);
  const ValueId narrow = linear(module / "output/dense", activated, wide, config.inner, Role::kMlpDown);
  return add_and_normalize(module / "output/LayerNorm", narrow, x, config.inner, norm);
}

// What attention reads: from the whole stream or through a bottleneck.
struct AttentionInputs {
  ValueId query_key = kNoValue;
  ValueId value = kNoValue;
  std::int64_t value_width = 0;
  ValueId residual = kNoValue;
};

AttentionInputs attention_inputs(const Module& layer, const MobileConfig& config, ValueId x) {
  const std::int64_t hidden = config.encoder.hidden;
  if (!config.bottleneck) return {x, x, hidden, x};
  const ValueId narrow = squeeze(layer / "bottleneck/input", config, x);
  if (config.bottleneck_attention) {
    layer.weights().drop({layer.tensor("bottleneck/attention") + ".*"});
    return {narrow, narrow, config.inner, narrow};
  }
  const bool shared = config.shared_query_bottleneck;
  return {shared ? squeeze(layer / "bottleneck/attention", config, x) : x, x, hidden, narrow};
}

ValueId encoder_layer(const Module& layer, const MobileConfig& config, std::int64_t index,
                      TokenInputs& inputs, ValueId x, ValueId bias) {
  const std::int64_t hidden = config.encoder.hidden;
  const std::int64_t inner = config.inner;
  const KeptHeads kept = kept_heads(layer, index, config.encoder.heads);
  const AttentionInputs from = attention_inputs(layer, config, x);

  const Module self = layer / "attention/self";
  const ValueId q = linear_to_heads(self / "query", from.query_key, inner, kept, Role::kAttentionQ);
  const ValueId k = linear_to_heads(self / "key", from.query_key, inner, kept, Role::kAttentionK);
  const ValueId v = linear_to_heads(self / "value", from.value, from.value_width, kept, Role::kAttentionV);
  const ValueId mixed = attend(self, inputs, q, k, v, bias, kept.heads());
  const Module output = layer / "attention/output";
  ValueId y = linear_from_heads(output / "dense", mixed, kept, inner);
  const AttentionHeads heads = kept.heads();
  const CoupledHeads coupled{.heads = heads.count, .kv_heads = heads.count, .size = heads.size};
  couple_scores(self, q, k, coupled);
  couple_values(self, v, y, coupled);
  y = add_and_normalize(output / "LayerNorm", y, from.residual, inner, config.encoder.norm);

  for (std::int64_t i = 0; i + 1 < config.feed_forwards; ++i) {
    y = feed_forward(layer.item("ffn", i), config, y, config.encoder.norm);
  }
  y = feed_forward(layer, config, y, config.default_norm);
  if (!config.bottleneck) return y;
  const Module widen = layer / "output/bottleneck";
  y = linear(widen / "dense", y, inner, hidden, Role::kBottleneck);
  return add_and_normalize(widen / "LayerNorm", y, x, hidden, config.encoder.norm);
}

// Logits of the vocabulary: the first `embedding` columns of x meet the word embeddings [vocabulary,
// embedding], the others a matrix of their own, stored [hidden - embedding, vocabulary].
void output_split_vocabulary(const Module& root, TokenInputs& inputs, const EncoderConfig& config, ValueId x,
                             ValueId words) {
  const std::int64_t rest = config.hidden - config.embedding;
  const Module head = root / "cls/predictions";
  const Module decoder = head / "decoder";
  const ValueId weight = decoder_weight(root, kVocabulary, config, words);
  const ValueId bias = decoder_bias(root, kVocabulary, config);
  if (rest == 0) {
    head.weights().drop({head.tensor("dense.weight")});  // empty
    output_token_logits(root, inputs, linear(decoder, x, weight, bias), config.vocabulary);
    return;
  }
  const std::vector<ValueId> parts = head.op_many(
      "Split", {x, head.builder().constant({config.embedding, rest})}, 2, {{"axis", std::int64_t{-1}}});
  const ValueId first = linear(decoder, parts[0], weight, bias);
  const Module dense = head / "dense";
  const ValueId second =
      dense.op("MatMul", {parts[1], dense.weight("weight", {rest, config.vocabulary}, Role::kHead)});
  output_token_logits(root, inputs, head.op("Add", {first, second}), config.vocabulary);
}

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("mobilebert", task);
  const MobileConfig config = read_config(checkpoint.config);
  const EncoderConfig& sizes = config.encoder;
  if (task == Task::kFillMask && sizes.embedding > sizes.hidden) {
    fail("{}: embedding_size {} is larger than hidden_size {}; fill-mask needs the opposite",
         checkpoint.config.path().string(), sizes.embedding, sizes.hidden);
  }
  Weights weights(checkpoint);
  weights.strip_prefix({"mobilebert."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kInput);

  const ValueId words = word_embeddings(root, kVocabulary, sizes, task);
  ValueId x = embed(root / "embeddings", inputs, config, words);
  const ValueId bias = attention_bias(root, inputs);
  check_pruned_layers(root, sizes.layers);
  for (std::int64_t i = 0; i < sizes.layers; ++i) {
    x = encoder_layer((root / "encoder").item("layer", i), config, i, inputs, x, bias);
  }

  switch (task) {
    case Task::kFillMask: {
      const Module head = root / "cls/predictions/transform";
      const Norm norm = {NormKind::kLayerNorm, sizes.norm.epsilon};  // whatever the encoder has
      x = transform(head / "dense", head / "LayerNorm", x, sizes.hidden, sizes.hidden, sizes.activation,
                    norm);
      output_split_vocabulary(root, inputs, sizes, x, words);
      break;
    }
    case Task::kTextClassification:
      x = config.pooler_activation
              ? pool_first_token(root / "pooler/dense", inputs, x, sizes.hidden, Role::kPooler)
              : first_token(root / "pooler", inputs, x, sizes.hidden);
      output_sequence_classes(root, root / "classifier", checkpoint.config, x, sizes.hidden);
      break;
    default:
      if (task == Task::kTokenClassification) {
        model.notes.push_back(
            "transformers.js has no class for token classification with mobilebert: its pipeline will not "
            "load this bundle");
      }
      output_shared_head(root, inputs, checkpoint.config, task, x, sizes.hidden);
  }
  leave_out_other_heads(model, weights, kHeads);
  weights.finish();
  return model;
}

}  // namespace

const Architecture kMobileBert = {
    .family = "mobilebert", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

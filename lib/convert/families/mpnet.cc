// MPNet (arXiv:2004.09297): BERT's encoder without token types, with positions that count from the padding id
// and with one table of relative position biases (T5's, arXiv:1910.10683, section 2.1) that all layers share.
#include <array>
#include <utility>

#include "convert/blocks/embeddings.h"
#include "convert/blocks/heads.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/vocabulary.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"mpnet"};

// Fixed by the model, whatever config.json says about padding.
constexpr std::int64_t kPaddingId = 1;

const HeadTensors kHeads[] = {
    {"pooler.*", {}},
    {"classifier.*", {Task::kTextClassification, Task::kTokenClassification}},
    {"qa_outputs.*", {Task::kQuestionAnswering}},
    {"lm_head.*", {Task::kFillMask}},
};

constexpr VocabularyNames kVocabulary = {
    .embedding = "embeddings/word_embeddings", .decoder = "lm_head/decoder", .bias = "lm_head"};

constexpr PostNormNames kLayer = {
    .attention = "attention/attn",
    .query = "q",
    .key = "k",
    .value = "v",
    .attention_output = "attention/attn/o",
    .attention_norm = "attention/LayerNorm",
    .up = "intermediate/dense",
    .down = "output/dense",
    .output_norm = "output/LayerNorm",
};

// Half of the buckets is for keys after the query. Of a half, the first 8 hold one distance each and the
// others distances from 8 * 2^(j/2) on, j = 0..7: 8, 12, 16, 23, 32, 46, 64, 91. (In the model: 8 + 8
// log(d/8) / log(128/8), truncated; d^2 >= 64 * 2^j says the same in integers.)
constexpr std::int64_t kBuckets = 32;
constexpr std::int64_t kMaxDistance = 91;  // the last bucket holds this distance and all beyond

constexpr std::int64_t bucket(std::int64_t key_minus_query) {
  const std::int64_t distance = key_minus_query < 0 ? -key_minus_query : key_minus_query;
  std::int64_t result = distance < 8 ? distance : 8;
  for (int j = 1; j < 8; ++j) result += distance * distance >= (std::int64_t{64} << j) ? 1 : 0;
  return result + (key_minus_query > 0 ? kBuckets / 2 : 0);
}
static_assert(bucket(-kMaxDistance) == 15 && bucket(1 - kMaxDistance) == 14 &&
              bucket(100 * kMaxDistance) == 31);

// [1, heads, sequence_length, sequence_length]
ValueId relative_position_bias(const Module& encoder, TokenInputs& inputs, std::int64_t buckets,
                               std::int64_t heads) {
  GraphBuilder& builder = encoder.builder();
  std::array<std::int64_t, 2 * kMaxDistance + 1> table{};
  for (std::int64_t i = 0; i < std::ssize(table); ++i)
    table[static_cast<std::size_t>(i)] = bucket(i - kMaxDistance);

  const Module module = encoder / "relative_attention_bias";
  const ValueId keys = module.op("Unsqueeze", {inputs.range(), builder.constant({0})});
  const ValueId queries = module.op("Unsqueeze", {inputs.range(), builder.constant({1})});
  const ValueId distances = module.op("Clip", {module.op("Sub", {keys, queries}),
                                               builder.scalar(-kMaxDistance), builder.scalar(kMaxDistance)});
  const ValueId indices = module.op("Add", {distances, builder.scalar(kMaxDistance)});
  const ValueId bucket_of = builder.constant(
      TensorData{DType::kI64, {std::ssize(table)}, bytes_of(std::span(std::as_const(table))), {}},
      "relative_position_buckets");
  const ValueId chosen = module.op("Gather", {bucket_of, indices});
  const ValueId biases = embedding(module, chosen, buckets, heads, Role::kRelativeBias);
  const ValueId by_head = module.op("Transpose", {biases}, {{"perm", std::vector<std::int64_t>{2, 0, 1}}});
  return module.op("Unsqueeze", {by_head, builder.constant({0})});
}

ModelGraph build(const Checkpoint& checkpoint, Task task) {
  ModelGraph model = new_model("mpnet", task);
  const EncoderConfig config = read_encoder_config(checkpoint.config);
  const std::int64_t buckets =
      checkpoint.config.integer_or("relative_attention_num_buckets", kBuckets, kBuckets);
  Weights weights(checkpoint);
  weights.strip_prefix({"mpnet."});
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kNone);

  const ValueId words = word_embeddings(root, kVocabulary, config, task);
  const Module embeddings = root / "embeddings";
  const Module encoder = root / "encoder";
  ValueId x = embed_tokens(embeddings, inputs, config, words,
                           {.positions = positions_after_padding(embeddings, inputs, kPaddingId)});
  const ValueId relative = relative_position_bias(encoder, inputs, buckets, config.heads.count);
  const ValueId bias = encoder.op("Add", {relative, attention_bias(root, inputs)});
  x = post_norm_layers(encoder, kLayer, config, inputs, x, {bias, true});

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

const Architecture kMpnet = {
    .family = "mpnet", .model_types = kTypes, .tasks = kEncoderTasks, .build = build};

}  // namespace bantam

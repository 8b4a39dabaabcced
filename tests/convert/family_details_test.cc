#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "convert/architecture.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::open_fixture;
using test::set_tensor;

struct Refusal {
  std::string fixture;
  Json changes;
  std::vector<std::string> parts;
};

TEST(Families, RefuseInOneLineWhatNeedsAnotherGraph) {
  const std::vector<Refusal> refusals = {
      {"bert-feature-extraction", {{"is_decoder", true}}, {"is_decoder is true"}},
      {"roberta-fill-mask", {{"add_cross_attention", true}}, {"add_cross_attention is true"}},
      {"bert-fill-mask",
       {{"position_embedding_type", "relative_key"}},
       {"position_embedding_type", "relative_key"}},
      {"bert-fill-mask", {{"pruned_heads", {{"0", {1}}}}}, {"pruned_heads"}},
      {"bert-fill-mask",
       {{"hidden_act", "mish"}},
       {"hidden_act", "mish", "known: gelu,", "gelu_new", "swish"}},
      {"distilbert-fill-mask", {{"activation", "relu2"}}, {"activation", "relu2", "quick_gelu"}},
      {"bert-fill-mask", {{"num_attention_heads", 3}}, {"hidden_size is 20", "num_attention_heads 3"}},
      {"distilbert-fill-mask", {{"n_heads", 3}}, {"dim is 20", "n_heads 3"}},
      {"mobilebert-fill-mask", {{"num_attention_heads", 4}}, {"intra_bottleneck_size is 15"}},
      {"bert-fill-mask", {{"num_hidden_layers", 0}}, {"num_hidden_layers"}},
      {"bert-fill-mask", {{"num_hidden_layers", 1 << 20}}, {"num_hidden_layers"}},
      {"bert-fill-mask", {{"hidden_size", nullptr}}, {"hidden_size is missing"}},
      {"bert-fill-mask", {{"vocab_size", -1}}, {"vocab_size"}},
      {"bert-question-answering",
       {{"id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}}}},
       {"id2label has 3 labels"}},
      {"bert-token-classification", {{"id2label", Json::array({"a"})}}, {"id2label"}},
      {"mpnet-fill-mask", {{"relative_attention_num_buckets", 16}}, {"relative_attention_num_buckets"}},
      {"mobilebert-fill-mask", {{"normalization_type", "batch_norm"}}, {"normalization_type", "batch_norm"}},
      {"mobilebert-fill-mask",
       {{"key_query_shared_bottleneck", false}},
       {"key_query_shared_bottleneck is false"}},
      {"mobilebert-fill-mask", {{"embedding_size", 21}}, {"embedding_size 21", "hidden_size 20"}},
      {"albert-fill-mask", {{"num_hidden_groups", 3}}, {"num_hidden_groups"}},
      {"gemma3_text-text-generation",
       {{"final_logit_softcapping", 30.0}},
       {"final_logit_softcapping is not"}},
      {"gemma3_text-text-generation", {{"attn_logit_softcapping", 50.0}}, {"attn_logit_softcapping is not"}},
      {"gemma3_text-text-generation",
       {{"use_bidirectional_attention", true}},
       {"use_bidirectional_attention: true is not supported"}},
      {"gemma3_text-text-generation", {{"head_dim", nullptr}}, {"head_dim is missing"}},
      {"gemma3_text-text-generation", {{"num_key_value_heads", nullptr}}, {"num_key_value_heads is missing"}},
      {"gemma3_text-text-generation", {{"query_pre_attn_scalar", 0}}, {"query_pre_attn_scalar is 0"}},
      {"gemma3_text-text-generation",
       {{"layer_types", Json::array({"sliding_attention", "full_attention", "chunked_attention"})}},
       {"layer_types", "chunked_attention", "known: full_attention, sliding_attention"}},
      {"gemma3_text-text-generation",
       {{"rope_parameters", {{"full_attention", nullptr}}}},
       {"rope_parameters", "an entry for full_attention"}},
      {"gemma3_text-text-generation",
       {{"rope_parameters", {{"sliding_attention", {{"rope_type", "dynamic"}}}}}},
       {"rope type \"dynamic\"", "known: default, linear, llama3, longrope"}},
      {"gpt2-text-generation",
       {{"add_cross_attention", true}},
       {"add_cross_attention: true is not supported"}},
      {"gpt2-text-generation", {{"n_head", 10}}, {"heads have 4 elements", "multiples of 8"}},
      {"gpt2-text-generation", {{"n_positions", nullptr}}, {"n_positions is missing"}},
      {"gpt2-text-generation", {{"activation_function", "laplace"}}, {"activation_function is \"laplace\""}},
      {"gpt_neo-text-generation",
       {{"attention_layers", nullptr},
        {"attention_types", Json::array({Json::array({Json::array({"global", "local"}), 2})})}},
       {"attention_types does not name", "each of the 2 layers"}},
      {"gpt_neo-text-generation",
       {{"attention_layers", nullptr},
        {"attention_types", Json::array({Json::array({Json::array({"global", "banded"}), 1})})}},
       {"\"banded\" is not supported; known: global, local"}},
      {"gpt_neo-text-generation",
       {{"attention_layers", nullptr}, {"attention_types", Json::array({Json::array({"global", "local"})})}},
       {"[[names, count], ...] was expected"}},
      {"gpt_neox-text-generation", {{"intermediate_size", nullptr}}, {"intermediate_size is missing"}},
      {"gpt_neox-text-generation",
       {{"rope_parameters", {{"partial_rotary_factor", 1.5}}}},
       {"partial_rotary_factor is 1.5"}},
      {"phi-text-generation",
       {{"rope_parameters", {{"partial_rotary_factor", 0.2}}}},
       {"3 of the 16 elements of a head would rotate"}},
      {"phi-text-generation", {{"rope_parameters", {{"rope_type", "yarn"}}}}, {"rope type \"yarn\""}},
      {"phi3-text-generation-v4-longrope",
       {{"rope_scaling", {{"long_factor", {1.0, 2.0}}}}},
       {"rope type longrope needs long_factor, a list of 3 numbers"}},
      {"phi3-text-generation-v4-longrope",
       {{"rope_scaling", {{"short_factor", {1.0, 0.0, 2.0}}}}},
       {"rope type longrope needs short_factor"}},
      {"phi3-text-generation-v4-longrope",
       {{"original_max_position_embeddings", nullptr}},
       {"original_max_position_embeddings is missing"}},
      {"phi3-text-generation", {{"rope_parameters", {{"rope_type", "ntk"}}}}, {"rope type \"ntk\""}},
  };
  for (const Refusal& refusal : refusals) {
    const std::string message =
        error_of([&] { build_model(open_fixture(refusal.fixture, refusal.changes), std::nullopt); });
    EXPECT_TRUE(has_parts(message, {refusal.fixture + "/config.json"}));
    for (const std::string& part : refusal.parts) EXPECT_TRUE(has_parts(message, {part}));
    EXPECT_EQ(message.find('\n'), message.npos);
  }
}

TEST(Families, ReportConfigAndWeightsThatDisagreeByTensor) {
  const auto message = [](const Json& changes, const char* fixture = "bert-feature-extraction") {
    return error_of([&] { build_model(open_fixture(fixture, changes), std::nullopt); });
  };
  EXPECT_TRUE(has_parts(message({{"id2label", nullptr}}, "bert-text-classification-3"),
                        {"classifier.bias [3] where [2]", "classifier.weight"}));
  EXPECT_TRUE(
      has_parts(message({{"num_hidden_layers", 1}}), {"have no place in the model: encoder.layer.1."}));
  EXPECT_TRUE(has_parts(message({{"num_hidden_layers", 3}}), {"tensors are missing: encoder.layer.2."}));
  EXPECT_TRUE(has_parts(message({{"intermediate_size", 99}}), {"intermediate.dense.weight"}));
}

int readers(const Graph& graph, ValueId value, std::string_view type) {
  int count = 0;
  for (const Node& node : graph.nodes) {
    for (const ValueId input : node.inputs) count += input == value && node.type == type ? 1 : 0;
  }
  return count;
}

const Weight& weight_of(const Graph& graph, std::string_view name) {
  for (const Weight& weight : graph.weights) {
    if (weight.name == name) return weight;
  }
  throw std::runtime_error("no weight " + std::string(name));
}

TEST(Albert, ReadsOneWeightInEveryLayerOfAGroup) {
  const ModelGraph model = build_model(open_fixture("albert-feature-extraction-two-groups"), std::nullopt);
  const auto gemms = [&](std::string_view group) {
    const std::string name =
        "encoder.albert_layer_groups." + std::string(group) + ".albert_layers.0.ffn.weight";
    return readers(model.graph, weight_of(model.graph, name).parts[0].values[0], "Gemm");
  };
  EXPECT_EQ(gemms("0"), 3);  // five layers: 0, 1, 2 and 3, 4
  EXPECT_EQ(gemms("1"), 2);
}

TEST(FillMask, StoresATiedOutputLayerOnceAndReadsItTwice) {
  for (const char* name :
       {"albert-fill-mask", "bert-fill-mask", "bert-fill-mask-decoder", "distilbert-fill-mask",
        "electra-fill-mask", "mobilebert-fill-mask", "mpnet-fill-mask", "roberta-fill-mask"}) {
    const ModelGraph model = build_model(open_fixture(name), std::nullopt);
    const Weight& words = model.graph.weights.front();
    EXPECT_EQ(words.role, Role::kWordEmbedding) << name;
    EXPECT_EQ(readers(model.graph, words.parts[0].values[0], "Gather"), 1) << name;
    EXPECT_EQ(readers(model.graph, words.parts[0].values[0], "Gemm"), 1) << name;
  }
}

TEST(FillMask, RefusesATiedPairOfTwoShapesOrTypesBeforeReadingIt) {
  Checkpoint checkpoint = open_fixture("bert-fill-mask-decoder");
  const Shape shape = checkpoint.tensors.at("cls.predictions.decoder.weight")->spec().shape;
  set_tensor(checkpoint, "cls.predictions.decoder.weight", shape, DType::kF16);
  EXPECT_TRUE(has_parts(error_of([&] { build_model(checkpoint, std::nullopt); }),
                        {"cls.predictions.decoder.weight differs from bert.embeddings.word_embeddings.weight",
                         "tie_word_embeddings"}));
}

TEST(FillMask, ComparesATiedPairWhenItIsRead) {
  const auto read_words = [](const std::filesystem::path& folder) {
    const ModelGraph model = build_model(open_checkpoint(folder.string()), std::nullopt);
    return read_all_as_float(*model.graph.weights.front().source);
  };
  EXPECT_FALSE(read_words(test::fixture("bert-fill-mask-decoder")).empty());
  EXPECT_TRUE(has_parts(error_of([&] { read_words(test::fixture("bert-fill-mask-other-decoder")); }),
                        {"cls.predictions.decoder.weight differs", "set tie_word_embeddings to false"}));
}

TEST(FillMask, KeepsBothTensorsOfAnUntiedPair) {
  const Json untied = {{"tie_word_embeddings", false}};
  const ModelGraph model = build_model(open_fixture("bert-fill-mask-other-decoder", untied), std::nullopt);
  EXPECT_EQ(weight_of(model.graph, "cls.predictions.decoder.weight").role, Role::kHead);
  EXPECT_EQ(weight_of(model.graph, "bert.embeddings.word_embeddings.weight").role, Role::kWordEmbedding);
}

TEST(AttentionMask, PutsItsLowestValueThroughOneNamedConstant) {
  for (const std::string& name : test::fixture_names()) {
    const ModelGraph model = build_model(open_fixture(name), std::nullopt);
    int found = 0;
    for (const Constant& constant : model.graph.constants) {
      if (constant.data.dtype != DType::kF32) continue;
      float value = 0;
      std::memcpy(&value, constant.data.bytes.data(), sizeof(value));
      if (value > -1e4F) continue;
      ++found;
      EXPECT_EQ(model.graph.value(constant.value).name, "/constant/mask_lowest");
      EXPECT_EQ(value, std::numeric_limits<float>::lowest());
    }
    EXPECT_EQ(found, 1) << name;
  }
}

// The model's own formula: half of 32 buckets for each direction, of which 8 hold one distance each and the
// others grow with the logarithm up to 128.
std::int64_t bucket_by_logarithm(std::int64_t key_minus_query) {
  const auto distance = static_cast<double>(std::abs(key_minus_query));
  double bucket = distance;
  if (distance >= 8)
    bucket = std::min(15.0, std::floor(8 + std::log(distance / 8) / std::log(128.0 / 8) * 8 + 1e-9));
  return static_cast<std::int64_t>(bucket) + (key_minus_query > 0 ? 16 : 0);
}

TEST(Phi3, SaysWhatGrowingOverTheTrainedLengthMeans) {
  const ModelGraph model = build_model(open_fixture("phi3-text-generation-v4-longrope"), std::nullopt);
  ASSERT_EQ(model.notes.size(), 1U);
  EXPECT_TRUE(has_parts(model.notes[0], {"more than 17 tokens", "transformers.js continues it keeps the keys",
                                         "bantam run read it anew"}));
  EXPECT_TRUE(build_model(open_fixture("phi3-text-generation"), std::nullopt).notes.empty());
  for (const char* old : {"su", "yarn"}) {
    const Json named = {{"rope_scaling", {{"type", old}}}};
    EXPECT_EQ(build_model(open_fixture("phi3-text-generation-v4-longrope", named), std::nullopt).notes,
              model.notes);
  }
}

TEST(Gpt2, TakesTheTiedHeadThatOldFilesStoreToo) {
  Checkpoint checkpoint = open_fixture("gpt2-text-generation");
  const std::size_t weights = build_model(checkpoint, std::nullopt).graph.weights.size();
  set_tensor(checkpoint, "lm_head.weight", checkpoint.tensors.at("transformer.wte.weight")->spec().shape);
  EXPECT_EQ(build_model(checkpoint, std::nullopt).graph.weights.size(), weights);
  set_tensor(checkpoint, "lm_head.weight", {1, 1});
  EXPECT_TRUE(has_parts(error_of([&] { build_model(checkpoint, std::nullopt); }), {"lm_head.weight"}));
}

// Whose files state no attention_types mean 24 layers, of which every second one is local.
TEST(GptNeo, TakesTheAttentionOfEveryLayerFromEitherList) {
  const Json layers = {{"attention_types", nullptr}, {"attention_layers", {"local", "global"}}};
  const ModelGraph model = build_model(open_fixture("gpt_neo-text-generation", layers), std::nullopt);
  const ModelGraph other = build_model(open_fixture("gpt_neo-text-generation"), std::nullopt);
  EXPECT_EQ(model.graph.nodes.size(), other.graph.nodes.size());
  const Json none = {{"attention_types", nullptr}, {"attention_layers", nullptr}};
  EXPECT_TRUE(
      has_parts(error_of([&] { build_model(open_fixture("gpt_neo-text-generation", none), std::nullopt); }),
                {"does not name the attention of each of the 2 layers"}));
}

TEST(Gemma3, IsConvertedFromItsTextModelAlone) {
  const Json whole = {{"model_type", "gemma3"}, {"text_config", {{"model_type", "gemma3_text"}}}};
  EXPECT_TRUE(has_parts(
      error_of([&] { build_model(open_fixture("gemma3_text-text-generation", whole), std::nullopt); }),
      {"model_type: \"gemma3\" is not supported", "text_config", "\"gemma3_text\""}));
}

TEST(Mpnet, SortsDistancesIntoTheBucketsOfTheLogarithmicFormula) {
  const ModelGraph model = build_model(open_fixture("mpnet-feature-extraction"), std::nullopt);
  const Constant* table = nullptr;
  for (const Constant& constant : model.graph.constants) {
    if (model.graph.value(constant.value).name == "/constant/relative_position_buckets") table = &constant;
  }
  ASSERT_NE(table, nullptr);
  const std::int64_t reach = (table->data.shape[0] - 1) / 2;
  for (std::int64_t distance = -300; distance <= 300; ++distance) {
    const std::int64_t clipped = std::clamp(distance, -reach, reach);
    std::int64_t bucket = 0;
    std::memcpy(&bucket, table->data.bytes.data() + 8 * (clipped + reach), sizeof(bucket));
    EXPECT_EQ(bucket, bucket_by_logarithm(distance)) << distance;
  }
}

TEST(MobileBert, SaysThatTransformersJsHasNoClassForItsTokenClassification) {
  const ModelGraph model = build_model(open_fixture("mobilebert-token-classification"), std::nullopt);
  ASSERT_EQ(model.notes.size(), 1U);
  EXPECT_TRUE(has_parts(model.notes[0], {"transformers.js", "token classification"}));
}

// What a family forgets to declare is quantized as the checkpoint happens to scale it, and nobody notices.
TEST(Families, SayWhatMayBeRescaledFreely) {
  const std::map<std::string, std::size_t> expected = {
      {"bert-feature-extraction", 2 * 2},  // scores and values of every layer
      {"distilbert-feature-extraction", 2 * 2},
      {"mobilebert-feature-extraction", 2 * 2},
      {"electra-feature-extraction", 2 * 2},
      {"mpnet-feature-extraction", 2 * 2},
      {"albert-feature-extraction", 3 * 2},    // again for every use of the shared layer
      {"llama-text-generation", 2 * 5},        // and two norms, and up against down
      {"mistral-text-generation", 2 * 5 + 1},  // and the last norm, whose head is no embedding
      {"qwen2-text-generation", 2 * 5},
      {"qwen3-text-generation", 2 * 4},  // heads are normalized before scores
      {"gemma3_text-text-generation", 3 * 4},
      {"phi3-text-generation", 2 * 5 + 1},
      {"gpt2-text-generation", 2 * 4},  // no gate
      {"gpt_neo-text-generation", 2 * 4},
      {"gpt_neox-text-generation", 2 * 4 + 1},
      {"phi-text-generation", 2 * 3 + 1},  // one norm for attention and MLP
  };
  for (const auto& [fixture, count] : expected) {
    const Graph graph = build_model(open_fixture(fixture), std::nullopt).graph;
    EXPECT_EQ(graph.couplings.size(), count) << fixture;
    for (const Coupling& coupling : graph.couplings) {
      EXPECT_GT(coupling.channels, 0) << fixture;
      EXPECT_FALSE(coupling.producers.empty() || coupling.consumers.empty()) << fixture;
    }
  }
}

}  // namespace
}  // namespace bantam

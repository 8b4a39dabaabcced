// What the configuration classes of transformers 5.24 do with keys of config.json that decoders of other
// families have, or that stand twice: they ignore some, and what changes the result is read or refused.
#include <gtest/gtest.h>

#include <map>

#include "convert/architecture.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::open_fixture;

const std::vector<std::string> kDecoders = {"gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "llama",
                                            "mistral",     "phi",  "phi3",    "qwen2",    "qwen3"};

std::string fixture_of(const std::string& family) {
  return family + "-text-generation";
}

std::string text_of(const AttributeValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<float>(&value)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "...";
}

// What a graph computes but for its weights: nodes with their settings, and every constant.
std::vector<std::string> computed(const std::string& fixture, const Json& changes) {
  const ModelGraph model = build_model(open_fixture(fixture, changes), std::nullopt);
  std::vector<std::string> lines;
  for (const Node& node : model.graph.nodes) {
    std::string line = node.name + " " + node.type;
    for (const Attribute& attribute : node.attributes)
      line += " " + attribute.name + "=" + text_of(attribute.value);
    for (const ValueId input : node.inputs)
      line += " " + (input == kNoValue ? std::string("-") : std::to_string(input));
    lines.push_back(std::move(line));
  }
  for (const Constant& constant : model.graph.constants) {
    const auto* bytes = reinterpret_cast<const char*>(constant.data.bytes.data());
    lines.emplace_back(bytes, constant.data.bytes.size());
  }
  return lines;
}

std::string refusal(const std::string& fixture, const Json& changes) {
  const std::string message = error_of([&] { build_model(open_fixture(fixture, changes), std::nullopt); });
  EXPECT_TRUE(has_parts(message, {"/config.json: "}));
  EXPECT_EQ(message.find('\n'), message.npos);
  return message;
}

TEST(Decoders, RefuseToAttendToLaterTokens) {
  for (const std::string& family : kDecoders) {
    const std::string fixture = fixture_of(family);
    const Json plain = Json::object();
    EXPECT_EQ(computed(fixture, {{"is_causal", true}}), computed(fixture, plain)) << family;
    if (family == "gpt_neo") {  // has a mask of its own
      EXPECT_EQ(computed(fixture, {{"is_causal", false}}), computed(fixture, plain));
    } else {
      EXPECT_TRUE(has_parts(refusal(fixture, {{"is_causal", false}}), {"is_causal: false is not supported"}));
    }
  }
}

TEST(Decoders, TurnPartsOfHeadsInTheFamiliesThatKnowThemOnly) {
  for (const std::string family : {"gemma3_text", "llama", "mistral", "qwen2", "qwen3"}) {
    const std::string fixture = fixture_of(family);
    Json inside = {{"rope_parameters", {{"partial_rotary_factor", 0.5}}}};
    if (family == "gemma3_text")
      inside = {{"rope_parameters", {{"full_attention", inside["rope_parameters"]}}}};
    for (const Json& changes : {Json{{"partial_rotary_factor", 0.5}}, inside}) {
      EXPECT_TRUE(has_parts(refusal(fixture, changes), {"partial_rotary_factor is 0.5", family}));
    }
    const Json others = {{"partial_rotary_factor", 1}, {"rotary_pct", 0.5}, {"rotary_emb_base", 3}};
    EXPECT_EQ(computed(fixture, others), computed(fixture, Json::object())) << family;
  }
}

TEST(Decoders, IgnoreTheKeysOfOtherFamilies) {
  const Json gpt2_keys = {{"activation_function", "relu"},
                          {"layer_norm_epsilon", 0.5},
                          {"n_inner", 5},
                          {"n_embd", 8},
                          {"n_layer", 1},
                          {"n_head", 1}};
  const Json bert_keys = {{"hidden_act", "relu"},
                          {"layer_norm_eps", 0.5},
                          {"intermediate_size", 5},
                          {"num_key_value_heads", 1},
                          {"head_dim", 24}};
  Json neo_keys = bert_keys;
  neo_keys.erase("intermediate_size");
  neo_keys["n_inner"] = 5;
  Json neox_keys = gpt2_keys;
  neox_keys.update({{"num_key_value_heads", 1}, {"rope_theta", 3}, {"partial_rotary_factor", 1}});
  Json phi_keys = gpt2_keys;
  phi_keys.update({{"rotary_pct", 1}, {"rotary_emb_base", 3}});
  const std::map<std::string, Json> cases = {
      {"gpt2-text-generation", bert_keys},
      {"gpt_neo-text-generation", neo_keys},
      {"gpt_neox-text-generation", neox_keys},
      {"gpt_neox-text-generation-v4-sequential", neox_keys},
      {"phi-text-generation", phi_keys},
      {"phi-text-generation-v4-norms-grouped", phi_keys},
      {"llama-text-generation", gpt2_keys},
      {"gemma3_text-text-generation", {{"hidden_act", "mish"}}},
      {"phi3-text-generation-window-tied", {{"layer_types", {"full_attention", "sliding_attention"}}}},
      {"mistral-text-generation-window", {{"layer_types", {"full_attention", "sliding_attention"}}}},
  };
  for (const auto& [fixture, keys] : cases) {
    EXPECT_EQ(computed(fixture, keys), computed(fixture, Json::object())) << fixture;
  }
}

// attribute_map of transformers.
TEST(Decoders, TakeTheCommonNamesOfGpt2AndGptNeo) {
  const Json gpt2 = {{"n_embd", nullptr},      {"hidden_size", 40},
                     {"n_head", nullptr},      {"n_layer", nullptr},
                     {"num_hidden_layers", 2}, {"num_attention_heads", 5},
                     {"n_positions", nullptr}, {"max_position_embeddings", 64}};
  EXPECT_EQ(computed("gpt2-text-generation", gpt2), computed("gpt2-text-generation", Json::object()));
  const Json neo = {
      {"num_heads", nullptr}, {"num_attention_heads", 5}, {"num_layers", nullptr}, {"num_hidden_layers", 2}};
  EXPECT_EQ(computed("gpt_neo-text-generation", neo), computed("gpt_neo-text-generation", Json::object()));
}

TEST(GptNeoX, RefusesHeadsOfAnotherSize) {
  EXPECT_TRUE(has_parts(refusal("gpt_neox-text-generation", {{"head_dim", 8}}),
                        {"head_dim is 8", "hidden_size / num_attention_heads, 16"}));
  EXPECT_EQ(computed("gpt_neox-text-generation", {{"head_dim", 16}}),
            computed("gpt_neox-text-generation", Json::object()));
}

TEST(Rope, RefusesTwoGenerationsOfParametersThatDiffer) {
  const std::string fixture = "llama-text-generation";
  const Json same = {{"rope_theta", 50.0},
                     {"rope_scaling",
                      {{"type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 32}}}};
  EXPECT_EQ(computed(fixture, same), computed(fixture, Json::object()));
  EXPECT_EQ(computed(fixture, {{"rope_scaling", Json::object()}}), computed(fixture, Json::object()));
  for (const char* key : {"factor", "rope_theta"}) {
    Json other = same;
    other["rope_scaling"][key] = 16.0;
    EXPECT_TRUE(
        has_parts(refusal(fixture, other), {"rope_scaling and rope_parameters turn heads differently"}));
  }
}

TEST(Rope, RefusesParametersForEachTypeOfLayerOutsideGemma) {
  for (const char* family : {"gpt_neox", "llama", "mistral", "phi", "phi3", "qwen2", "qwen3"}) {
    const Json nested = {{"rope_parameters", {{"full_attention", {{"rope_theta", 50.0}}}}}};
    EXPECT_TRUE(has_parts(refusal(fixture_of(family), nested),
                          {"rope_parameters: full_attention: parameters for each type of layer", family}));
  }
}

TEST(Rope, TakesTheTrainedLengthBesideTheParameters) {
  const std::string fixture = "llama-text-generation-v4-llama3";
  const Json beside = {{"original_max_position_embeddings", 16}};
  const Json inside = {{"rope_scaling", beside}};
  EXPECT_EQ(computed(fixture, beside), computed(fixture, inside));
  EXPECT_NE(computed(fixture, beside), computed(fixture, Json::object()));
}

TEST(Phi3, RefusesATrainedLengthThatTransformersOverwrites) {
  const std::string fixture = "phi3-text-generation-v4-longrope";
  const auto inside = [](int length) {
    return Json{{"original_max_position_embeddings", nullptr},
                {"rope_scaling", {{"original_max_position_embeddings", length}}}};
  };
  EXPECT_TRUE(
      has_parts(refusal(fixture, inside(17)), {"rope_scaling: original_max_position_embeddings is 17"}));
  EXPECT_EQ(computed(fixture, inside(4096)), computed(fixture, {{"original_max_position_embeddings", 4096}}));
}

TEST(Gemma3, RefusesScalingThatWouldChangeItsParameters) {
  const std::string fixture = "gemma3_text-text-generation";
  const auto scaling = [](double factor) {
    return Json{{"rope_scaling", {{"rope_type", "linear"}, {"factor", factor}}}};
  };
  EXPECT_EQ(computed(fixture, scaling(4)), computed(fixture, Json::object()));
  EXPECT_TRUE(has_parts(refusal(fixture, scaling(8)), {"rope_scaling: factor differs from rope_parameters"}));
  const Json old = {{"rope_scaling", {{"rope_type", nullptr}, {"type", "linear"}}}};
  EXPECT_TRUE(has_parts(refusal("gemma3_text-text-generation-v4-biases-untied", old),
                        {"rope_scaling: type is not read for gemma3_text", "rope_type"}));
}

// The base of the other layers stands beside the parameters where they have none, never rope_theta.
TEST(Gemma3, ReadsTheBaseOfLayersWithAWindowFromItsOwnKey) {
  const std::string fixture = "gemma3_text-text-generation";
  const auto changes = [](const char* key, double theta) {
    return Json{{key, theta}, {"rope_parameters", {{"sliding_attention", {{"rope_theta", nullptr}}}}}};
  };
  const Json inside = {{"rope_parameters", {{"sliding_attention", {{"rope_theta", 20.0}}}}}};
  EXPECT_EQ(computed(fixture, changes("rope_local_base_freq", 20)), computed(fixture, inside));
  EXPECT_EQ(computed(fixture, changes("rope_theta", 20)),
            computed(fixture, {{"rope_parameters", {{"sliding_attention", {{"rope_theta", 10000.0}}}}}}));
}

TEST(GptNeo, ReadsTheListOfLayersBeforeTheListOfTypes) {
  const std::string fixture = "gpt_neo-text-generation";
  const Json layers = {{"attention_layers", {"local", "global"}}};
  const Json types = {{"attention_layers", nullptr},
                      {"attention_types", Json::array({Json::array({Json::array({"local", "global"}), 1})})}};
  EXPECT_EQ(computed(fixture, layers), computed(fixture, types));
  EXPECT_NE(computed(fixture, layers), computed(fixture, Json::object()));
}

}  // namespace
}  // namespace bantam

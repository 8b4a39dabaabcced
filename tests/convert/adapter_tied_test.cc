// Adapters over a base whose output layer is its word embeddings: what PEFT 0.21 computes, in whichever of
// three ways the base stores the pair.
#include <gtest/gtest.h>

#include "convert/architecture.h"
#include "convert/blocks/vocabulary.h"
#include "convert/lora/adapter.h"
#include "convert/lora/base_names.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/torch_files.h"

namespace bantam {
namespace {

using namespace test;

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";
const std::vector<float> kTable = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
const std::vector<float> kTrained = {-1, -2, -3, -4, -5, -6, -7, -8, -9, -10};
const std::vector<float> kOther = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
// kTable, updated by kUpdate.
const std::vector<float> kUpdated = {2, 21, 6, 43, 10, 65, 14, 87, 18, 109};
const std::vector<FloatTensor> kUpdate = {{"model.embed_tokens.lora_embedding_A", {1, 5}, {1, 2, 3, 4, 5}},
                                          {"model.embed_tokens.lora_embedding_B", {2, 1}, {1, 10}}};
const std::vector<FloatTensor> kHeadUpdate = {{"lm_head.lora_A.weight", {1, 2}, {1, 10}},
                                              {"lm_head.lora_B.weight", {5, 1}, {1, 2, 3, 4, 5}}};

enum class Stored { kOnce, kTwice, kUnderTwoNames };

// What the model computes with.
struct Outcome {
  std::vector<float> embedding, head;
  bool tied = true;
  std::string notes;
};

class TiedAdapters : public ::testing::TestWithParam<Stored> {
 protected:
  void SetUp() override {
    write_config({{"model_type", "llama"}, {"vocab_size", 5}, {"tie_word_embeddings", true}});
    if (GetParam() == Stored::kUnderTwoNames) {
      const std::string tensor = pickle_tensor(pickle_storage("FloatStorage", "0", 10), 0, {5, 2}, {2, 1});
      base_.write("pytorch_model.bin",
                  torch_file(pickle_of(pickle_dict({{kEmbedding, tensor}, {kHead, tensor}})),
                             {{"0", float_bytes(kTable)}}));
    } else {
      write_base(kTable);
    }
  }

  void write_config(const nlohmann::json& config) { base_.write("config.json", config.dump()); }
  void write_base(const std::vector<float>& head) {
    std::vector<FloatTensor> tensors = {{kEmbedding, {5, 2}, kTable}};
    if (GetParam() == Stored::kTwice) tensors.push_back({kHead, {5, 2}, head});
    base_.write("model.safetensors", safetensors_of(tensors));
  }

  void write_adapter(const std::vector<FloatTensor>& tensors, const nlohmann::json& changes = {}) {
    write_lora(adapter_, tensors, changes);
  }

  Outcome outcome() const {
    Checkpoint checkpoint = open_checkpoint(base_.string());
    merge_adapter(checkpoint, adapter_.string());
    Outcome result;
    result.tied = checkpoint.config.json().at("tie_word_embeddings").get<bool>();
    for (const std::string& note : checkpoint.notes) result.notes += note + "\n";
    Weights weights(checkpoint);
    if (result.tied) {
      result.embedding = read_all_as_float(*claim_tied(weights, kEmbedding, kHead, {5, 2}));
      result.head = result.embedding;
    } else {
      result.embedding = read_all_as_float(*weights.claim(kEmbedding, {5, 2}));
      result.head = read_all_as_float(*weights.claim(kHead, {5, 2}));
    }
    weights.finish();
    return result;
  }

  void expect_refused(std::initializer_list<std::string_view> parts) const {
    const std::string message = error_of([&] { outcome(); });
    EXPECT_TRUE(message.starts_with(adapter_.string())) << message;
    EXPECT_TRUE(has_parts(message, parts));
  }

  TempFolder base_, adapter_;
};

std::string name_of(const ::testing::TestParamInfo<Stored>& test) {
  constexpr const char* kNames[] = {"StoredOnce", "StoredTwice", "UnderTwoNames"};
  return kNames[static_cast<int>(test.param)];
}
INSTANTIATE_TEST_SUITE_P(Bases, TiedAdapters,
                         ::testing::Values(Stored::kOnce, Stored::kTwice, Stored::kUnderTwoNames), name_of);

TEST_P(TiedAdapters, ATrainedHeadLeavesTheEmbeddingsAlone) {
  write_adapter({{kHead, {5, 2}, kTrained}}, {{"modules_to_save", {"lm_head"}}});
  const Outcome result = outcome();
  EXPECT_FALSE(result.tied);
  EXPECT_EQ(result.embedding, kTable);
  EXPECT_EQ(result.head, kTrained);
  EXPECT_TRUE(has_parts(result.notes, {"\"lm_head.weight\"", "ties to its embeddings", "two weights"}));
}

TEST_P(TiedAdapters, TrainedEmbeddingsLeaveTheHeadAlone) {
  write_adapter({{kEmbedding, {5, 2}, kTrained}}, {{"modules_to_save", {"embed_tokens"}}});
  const Outcome result = outcome();
  EXPECT_FALSE(result.tied);
  EXPECT_EQ(result.embedding, kTrained);
  EXPECT_EQ(result.head, kTable);
  EXPECT_TRUE(has_parts(result.notes, {"model.embed_tokens.weight", "ties to its head", "two weights"}));
}

TEST_P(TiedAdapters, BothTrainedAreTwoWeights) {
  write_adapter({{kEmbedding, {5, 2}, kTrained}, {kHead, {5, 2}, kOther}},
                {{"modules_to_save", {"embed_tokens", "lm_head"}}});
  const Outcome result = outcome();
  EXPECT_FALSE(result.tied);
  EXPECT_EQ(result.embedding, kTrained);
  EXPECT_EQ(result.head, kOther);
}

TEST_P(TiedAdapters, AnUpdateOfTheEmbeddingsChangesTheHeadTooAndSaysSo) {
  write_adapter(kUpdate);
  const Outcome result = outcome();
  EXPECT_TRUE(result.tied);
  EXPECT_EQ(result.embedding, kUpdated);
  EXPECT_TRUE(has_parts(result.notes, {"model.embed_tokens.weight", "the head", "changes too"}));
}

TEST_P(TiedAdapters, AnUpdateOfTheHeadIsRefused) {
  write_adapter(kHeadUpdate);
  expect_refused({"\"lm_head\"", "ties to \"model.embed_tokens.weight\"", "merge_and_unload"});
  write_adapter({{"lm_head.token_adapter.trainable_tokens_delta", {1, 2}, {1, 2}}},
                {{"trainable_token_indices", {{"lm_head", {3}}}}});
  expect_refused({"\"lm_head\"", "ties to \"model.embed_tokens.weight\""});
  std::vector<FloatTensor> both = kUpdate;
  both.insert(both.end(), kHeadUpdate.begin(), kHeadUpdate.end());
  write_adapter(both, {{"ensure_weight_tying", true}});
  expect_refused({"\"lm_head\"", "ensure_weight_tying"});
}

TEST_P(TiedAdapters, UpdatesFindWhatIsLeftOnceTheOtherIsTrained) {
  std::vector<FloatTensor> tensors = kUpdate;
  tensors.push_back({kHead, {5, 2}, kTrained});
  write_adapter(tensors, {{"modules_to_save", {"lm_head"}}});
  EXPECT_EQ(outcome().embedding, kUpdated);
  EXPECT_EQ(outcome().head, kTrained);
  tensors = kHeadUpdate;
  tensors.push_back({kEmbedding, {5, 2}, kTrained});
  write_adapter(tensors, {{"modules_to_save", {"embed_tokens"}}});
  EXPECT_EQ(outcome().embedding, kTrained);
  EXPECT_EQ(outcome().head, (std::vector<float>{2, 21, 6, 43, 10, 65, 14, 87, 18, 109}));
}

TEST_P(TiedAdapters, TrainedTokensChangeBoth) {
  write_adapter({{"model.embed_tokens.token_adapter.trainable_tokens_delta", {1, 2}, {-1, -2}}},
                {{"trainable_token_indices", {3}}});
  const Outcome result = outcome();
  EXPECT_TRUE(result.tied);
  EXPECT_EQ(result.embedding, (std::vector<float>{0, 1, 2, 3, 4, 5, -1, -2, 8, 9}));
  EXPECT_EQ(result.notes, "");
}

// PEFT's save_embedding_layers: what is updated lies in the adapter too, and is loaded from there.
TEST_P(TiedAdapters, ASavedBaseIsWhatIsUpdated) {
  std::vector<FloatTensor> tensors = kUpdate;
  tensors.push_back({"model.embed_tokens.base_layer.weight", {5, 2}, kTable});
  write_adapter(tensors);
  EXPECT_EQ(outcome().embedding, kUpdated);
  tensors.back().values = std::vector<float>(10);
  write_adapter(tensors);
  EXPECT_EQ(outcome().embedding, (std::vector<float>{2, 20, 4, 40, 6, 60, 8, 80, 10, 100}));
  tensors.back() = {"model.embed_tokens.base_layer.weight", {6, 2}, std::vector<float>(12)};
  write_adapter(tensors);
  expect_refused({"model.embed_tokens", "[6, 2]", "[5, 2]", "resized"});
  tensors.back() = {kEmbedding, {5, 2}, kTable};
  write_adapter(tensors);
  expect_refused({"model.embed_tokens", "changed twice"});
  // Without an update it is a table like any other, of the one weight.
  write_adapter({{"model.embed_tokens.base_layer.weight", {5, 2}, kTrained}});
  EXPECT_TRUE(outcome().tied);
  EXPECT_EQ(outcome().embedding, kTrained);
}

TEST_P(TiedAdapters, EnsuredTyingKeepsThemOneWeight) {
  const nlohmann::json config = {{"modules_to_save", {"embed_tokens", "model.embed_tokens"}},
                                 {"ensure_weight_tying", true}};
  write_adapter({{kEmbedding, {5, 2}, kTrained}, {kHead, {5, 2}, kTrained}}, config);
  const Outcome result = outcome();
  EXPECT_TRUE(result.tied);
  EXPECT_EQ(result.embedding, kTrained);
  write_adapter({{kEmbedding, {5, 2}, kTrained}, {kHead, {5, 2}, kOther}}, config);
  EXPECT_TRUE(has_parts(error_of([&] { outcome(); }), {"lm_head.weight differs from"}));
  write_adapter({{kEmbedding, {5, 2}, kTrained}}, config);
  expect_refused({"model.embed_tokens.weight", "alone", "ensure_weight_tying"});
}

TEST_P(TiedAdapters, CopiesThatAreNotEqualAreNoTiedPair) {
  if (GetParam() != Stored::kTwice) return;
  write_base(kOther);
  write_adapter({{kHead, {5, 2}, kTrained}}, {{"modules_to_save", {"lm_head"}}});
  EXPECT_TRUE(has_parts(error_of([&] { outcome(); }), {"lm_head.weight differs from"}));
  write_adapter(kUpdate);
  EXPECT_TRUE(has_parts(error_of([&] { outcome(); }), {"lm_head.weight differs from"}));
}

// --- Names

std::optional<Vocabulary> vocabulary_of(const nlohmann::json& config,
                                        std::initializer_list<std::string> names) {
  Checkpoint checkpoint{"dir", "dir", Config("dir/config.json", Json::parse(config.dump())), {}, {}, {}};
  for (const std::string& name : names) {
    checkpoint.tensors[name] = make_memory_source(name, {1}, std::vector<float>{0});
  }
  return find_vocabulary(checkpoint);
}

TEST(AdapterVocabulary, IsKnownOfEveryModelType) {
  for (const Architecture* architecture : architectures()) {
    for (const std::string_view type : architecture->model_types) {
      const nlohmann::json config = {{"model_type", std::string(type)}};
      const bool known = std::ranges::any_of(
          std::initializer_list<std::string>{"embed_tokens.weight", "wte.weight", "embed_in.weight",
                                             "embeddings.word_embeddings.weight"},
          [&](const std::string& name) { return vocabulary_of(config, {name}).has_value(); });
      EXPECT_TRUE(known) << type;
    }
  }
  EXPECT_FALSE(vocabulary_of({{"model_type", "mamba"}}, {"model.embed_tokens.weight"}));
  EXPECT_FALSE(vocabulary_of({{"model_type", "llama"}}, {"model.norm.weight"}));
}

TEST(AdapterVocabulary, OfAnEncoderIsTiedWhereThereIsAHead) {
  const nlohmann::json bert = {{"model_type", "bert"}};
  const std::string table = "embeddings.word_embeddings.weight";
  EXPECT_FALSE(vocabulary_of(bert, {table})->tied);
  EXPECT_TRUE(vocabulary_of(bert, {"bert." + table, "cls.predictions.bias"})->tied);
  EXPECT_EQ(vocabulary_of(bert, {"bert." + table, "cls.predictions.bias"})->embedding, "bert." + table);
  EXPECT_EQ(vocabulary_of(bert, {table})->embedding, table);
  EXPECT_TRUE(vocabulary_of({{"model_type", "distilbert"}}, {table, "vocab_projector.bias"})->tied);
  EXPECT_FALSE(
      vocabulary_of({{"model_type", "bert"}, {"tie_word_embeddings", false}}, {table, "cls.predictions.bias"})
          ->tied);
}

TEST(AdapterVocabulary, TheHeadOfGptNeoxHasTwoNames) {
  for (const auto& [stored, named] : {std::pair("embed_out", "lm_head"), {"lm_head", "embed_out"}}) {
    const TempFolder base, adapter;
    const std::string head = std::string(stored) + ".weight";
    base.write("config.json", R"({"model_type": "gpt_neox", "vocab_size": 5})");
    base.write("model.safetensors",
               safetensors_of({{"gpt_neox.embed_in.weight", {5, 2}, kTable}, {head, {5, 2}, kOther}}));
    adapter.write("adapter_config.json",
                  R"({"peft_type": "LORA", "r": 1, "modules_to_save": [")" + std::string(named) + "\"]}");
    adapter.write("adapter_model.safetensors",
                  safetensors_of({{"base_model.model." + std::string(named) + ".weight", {5, 2}, kTrained}}));
    Checkpoint checkpoint = open_checkpoint(base.string());
    merge_adapter(checkpoint, adapter.string());
    EXPECT_EQ(checkpoint.tensors.size(), 2U);
    EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at(head)), kTrained);
    EXPECT_EQ(checkpoint.adapter->changed, 1);
  }
}

}  // namespace
}  // namespace bantam

#include "convert/lora/adapter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "convert/lora/kernels.h"
#include "convert/lora/merged_source.h"
#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using namespace test;

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<float> values;
  double at(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
};

Matrix random_matrix(std::int64_t rows, std::int64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix{rows, columns, std::vector<float>(static_cast<std::size_t>(rows * columns))};
  for (float& value : matrix.values) value = normal(random);
  return matrix;
}

TensorSourcePtr source_of(const Matrix& matrix) {
  return make_memory_source("w", {matrix.rows, matrix.columns}, matrix.values);
}

// W + scaling * B A in double, W [out, in].
std::vector<double> merged(const Matrix& w, const Matrix& a, const Matrix& b, double scaling) {
  std::vector<double> result;
  for (std::int64_t o = 0; o < b.rows; ++o) {
    for (std::int64_t i = 0; i < a.columns; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < a.rows; ++k) sum += b.at(o, k) * a.at(k, i);
      result.push_back(w.at(o, i) + scaling * sum);
    }
  }
  return result;
}

Matrix transposed(const Matrix& matrix) {
  Matrix result{matrix.columns, matrix.rows, std::vector<float>(matrix.values.size())};
  for (std::int64_t r = 0; r < matrix.rows; ++r) {
    for (std::int64_t c = 0; c < matrix.columns; ++c)
      result.values[static_cast<std::size_t>(c * matrix.rows + r)] = static_cast<float>(matrix.at(r, c));
  }
  return result;
}

// The definition in double, for both layouts, with and without magnitudes; odd sizes; any split into rows is
// the same.
TEST(MergedSource, EqualsTheDefinition) {
  for (const auto& [out, in, rank] :
       {std::tuple(5, 7, 1), {33, 70, 3}, {64, 129, 8}, {1, 1, 2}, {9, 600, 17}}) {
    const Matrix w = random_matrix(out, in, 1), a = random_matrix(rank, in, 2),
                 b = random_matrix(out, rank, 3);
    const Matrix magnitude = random_matrix(1, out, 4);
    for (const bool dora : {false, true}) {
      std::vector<double> expected = merged(w, a, b, 0.75);
      for (std::int64_t o = 0; dora && o < out; ++o) {
        double norm = 0;
        for (std::int64_t i = 0; i < in; ++i)
          norm += std::pow(expected[static_cast<std::size_t>(o * in + i)], 2);
        for (std::int64_t i = 0; i < in; ++i)
          expected[static_cast<std::size_t>(o * in + i)] *= magnitude.at(0, o) / std::sqrt(norm);
      }
      for (const LoraLayout layout : {LoraLayout::kLinear, LoraLayout::kTransposed}) {
        const bool linear = layout == LoraLayout::kLinear;
        LoraUpdate update{layout, source_of(a), source_of(b), nullptr, 0.75};
        if (dora) update.magnitude = make_memory_source("m", {out}, magnitude.values);
        const auto source = make_merged_source(source_of(linear ? w : transposed(w)), update,
                                               std::make_shared<LoraFactorCache>());
        const std::vector<float> whole = read_all_as_float(*source);
        for (std::int64_t o = 0; o < out; ++o) {
          for (std::int64_t i = 0; i < in; ++i) {
            const double value = expected[static_cast<std::size_t>(o * in + i)];
            const float actual = whole[static_cast<std::size_t>(linear ? o * in + i : i * out + o)];
            ASSERT_NEAR(actual, value, 1e-5 * std::max(1.0, std::abs(value)))
                << out << " " << in << " " << dora << " " << linear;
          }
        }
        std::vector<float> row(static_cast<std::size_t>(source->spec().width()));
        std::vector<std::byte> scratch;
        for (std::int64_t r = 0; r < source->spec().rows(); ++r) {
          read_as_float(*source, {r, r + 1}, scratch, row);
          ASSERT_TRUE(std::equal(row.begin(), row.end(), whole.begin() + r * source->spec().width()));
        }
      }
    }
  }
}

TEST(LoraKernels, GiveTheSameBitsOnEveryLevel) {
  const Matrix left = random_matrix(7, 5, 1), right = random_matrix(5, 75, 2), rows = random_matrix(7, 75, 3);
  std::vector<std::vector<float>> results;
  for (const Isa level : available_isas()) {
    std::vector<float> result = rows.values;
    lora_kernels(level).add_low_rank(
        {result.data(), left.values.data(), right.values.data(), 7, 5, 75, 0.3f});
    results.push_back(std::move(result));
  }
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

// --- Folders

// A base with one layer and an embedding, and an adapter that the test may spoil.
class AdapterFolders : public ::testing::Test {
 protected:
  void write_base(const nlohmann::json& config = {{"model_type", "bert"}, {"vocab_size", 5}}) {
    base_.write("config.json", config.dump());
    base_.write("model.safetensors",
                safetensors_of({{"bert.x.query.weight", {3, 2}, {1, 2, 3, 4, 5, 6}},
                                {"bert.x.query.bias", {3}, {1, 2, 3}},
                                {"bert.h.c_proj.weight", {2, 3}, {1, 2, 3, 4, 5, 6}},
                                {"bert.square.c_proj.weight", {2, 2}, {1, 2, 3, 4}},
                                {"bert.words.weight", {5, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}}));
  }
  void SetUp() override { write_base(); }

  void write_adapter(const std::vector<FloatTensor>& tensors, const nlohmann::json& changes = {}) {
    write_lora(adapter_, tensors, changes);
  }

  Checkpoint open() const {
    Checkpoint checkpoint = open_checkpoint(base_.string());
    merge_adapter(checkpoint, adapter_.string());
    return checkpoint;
  }
  std::vector<float> values(std::string_view name) const {
    return read_all_as_float(*open().tensors.find(name)->second);
  }

  void expect_refused(std::initializer_list<std::string_view> parts) const {
    const std::string message = error_of([&] { open(); });
    EXPECT_TRUE(message.starts_with(adapter_.string())) << message;
    EXPECT_TRUE(has_parts(message, parts));
  }

  const std::vector<FloatTensor> update_ = {{"bert.x.query.lora_A.weight", {1, 2}, {1, 10}},
                                            {"bert.x.query.lora_B.weight", {3, 1}, {1, 2, 3}}};
  TempFolder base_, adapter_;
};

TEST_F(AdapterFolders, MergesAndLeavesTheRestAlone) {
  write_adapter(update_, {{"task_type", "SEQ_CLS"}, {"base_model_name_or_path", "org/base"}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("bert.x.query.weight")),
            (std::vector<float>{3, 22, 7, 44, 11, 66}));
  EXPECT_EQ(checkpoint.tensors.at("bert.x.query.weight")->spec(),
            (TensorSpec{"bert.x.query.weight", DType::kF32, {3, 2}}));
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("bert.x.query.bias")), (std::vector<float>{1, 2, 3}));
  ASSERT_TRUE(checkpoint.adapter);
  EXPECT_EQ(checkpoint.adapter->changed, 1);
  EXPECT_EQ(checkpoint.adapter->task_type, "SEQ_CLS");
  EXPECT_EQ(checkpoint.adapter->base_model, "org/base");
  EXPECT_EQ(checkpoint.adapter->files.size(), 2U);
}

TEST_F(AdapterFolders, NamesMayDifferInThePrefixOfTheBaseModel) {
  std::vector<FloatTensor> tensors = update_;
  for (FloatTensor& tensor : tensors) tensor.name.erase(0, 5);
  write_adapter(tensors);
  EXPECT_EQ(values("bert.x.query.weight")[0], 3);
  for (FloatTensor& tensor : tensors) tensor.name.insert(0, "model.bert.");
  write_adapter(tensors);
  EXPECT_EQ(values("bert.x.query.weight")[0], 3);
  for (FloatTensor& tensor : tensors) tensor.name.insert(0, "deeper.");
  write_adapter(tensors);
  expect_refused({"deeper.model.bert.x.query.weight", "another model"});
}

TEST_F(AdapterFolders, ScalesByAlphaAndRank) {
  const std::vector<FloatTensor> rank2 = {{"bert.x.query.lora_A.weight", {2, 2}, {1, 0, 0, 1}},
                                          {"bert.x.query.lora_B.weight", {3, 2}, {1, 0, 0, 0, 0, 0}}};
  const auto first = [&](const nlohmann::json& changes) {
    write_adapter(rank2, changes);
    return values("bert.x.query.weight")[0] - 1;
  };
  EXPECT_FLOAT_EQ(first({{"r", 2}, {"lora_alpha", 6}}), 3);
  EXPECT_FLOAT_EQ(first({{"r", 2}, {"lora_alpha", 6}, {"use_rslora", true}}), 6 / std::sqrt(2.0f));
  EXPECT_FLOAT_EQ(
      first({{"r", 8}, {"rank_pattern", {{"query", 2}}}, {"alpha_pattern", {{"x.query", 5}, {"key", 1}}}}),
      2.5f);
  EXPECT_FLOAT_EQ(first({{"r", 8}, {"lora_alpha", 6}, {"rank_pattern", {{"^bert\\.[xy]\\.query$", 2}}}}), 3);
  write_adapter(rank2, {{"r", 2}, {"alpha_pattern", {{"query", 5}, {"x.query", 6}}}});
  expect_refused({"alpha_pattern", "both match bert.x.query", "5", "6"});
  write_adapter(rank2, {{"r", 2}, {"alpha_pattern", {{"query", 5}, {"x.query", 5}}}});
  EXPECT_FLOAT_EQ(values("bert.x.query.weight")[0], 3.5f);
  write_adapter(rank2, {{"r", 2}, {"alpha_pattern", {{"(?=query)", 5}}}});
  expect_refused({"alpha_pattern", "(?=query)", "not supported"});
}

TEST_F(AdapterFolders, RefusesAnotherRankOrShape) {
  write_adapter(update_, {{"r", 4}});
  expect_refused({"bert.x.query", "rank 4", "[1, 2]"});
  write_adapter({{"bert.x.query.lora_A.weight", {1, 3}, {1, 2, 3}}, update_[1]});
  expect_refused({"bert.x.query", "[3, 3]", "[3, 2]", "another model"});
  write_adapter({update_[0], {"bert.x.query.lora_B.weight", {2, 1}, {1, 2}}});
  expect_refused({"bert.x.query", "[2, 2]", "[3, 2]"});
  write_adapter({{"bert.x.query.lora_A.weight", {1, 2, 1, 1}, {1, 2}}, update_[1]});
  expect_refused({"bert.x.query", "convolutions"});
  write_adapter({{"bert.x.query.lora_A.weight", {2}, {1, 2}}, update_[1]});
  expect_refused({"bert.x.query", "matrices"});
}

TEST_F(AdapterFolders, TransposesTheLayersOfGpt2AndNoOthers) {
  const std::vector<FloatTensor> wide = {{"bert.h.c_proj.lora_A.weight", {1, 2}, {1, 10}},
                                         {"bert.h.c_proj.lora_B.weight", {3, 1}, {1, 2, 3}}};
  const std::vector<FloatTensor> square = {{"bert.square.c_proj.lora_A.weight", {1, 2}, {1, 10}},
                                           {"bert.square.c_proj.lora_B.weight", {2, 1}, {1, 2}}};
  write_adapter(wide);
  expect_refused({"bert.h.c_proj", "[3, 2]", "[2, 3]"});
  write_adapter(square, {{"fan_in_fan_out", true}});  // PEFT ignores it for linear layers
  EXPECT_EQ(values("bert.square.c_proj.weight"), (std::vector<float>{3, 22, 7, 44}));
  write_base({{"model_type", "gpt2"}});
  EXPECT_EQ(values("bert.square.c_proj.weight"), (std::vector<float>{3, 6, 23, 44}));
  write_adapter(wide);
  EXPECT_EQ(values("bert.h.c_proj.weight"), (std::vector<float>{3, 6, 9, 24, 45, 66}));
  write_adapter(update_);
  EXPECT_EQ(values("bert.x.query.weight")[1], 22);
}

TEST_F(AdapterFolders, RefusesTensorsThatMatchNothing) {
  const auto with = [&](std::string name, std::vector<std::int64_t> shape = {2},
                        const nlohmann::json& changes = {}) {
    std::vector<FloatTensor> tensors = update_;
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    tensors.push_back({std::move(name), std::move(shape), std::vector<float>(count)});
    write_adapter(tensors, changes);
  };
  with("bert.y.key.lora_A.weight", {1, 2});
  expect_refused({"bert.y.key", "only one of lora_A and lora_B"});
  with("bert.x.query.lora_C.weight");
  expect_refused({"lora_C", "no tensor of an adapter"});
  with("bert.x.query.lora_A.default.weight");
  expect_refused({"lora_A.default.weight"});
  with("bert.x.query.lora_magnitude_vector", {3});
  expect_refused({"bert.x.query", "has a lora_magnitude_vector", "use_dora is false"});
  with("bert.x.key.lora_magnitude_vector", {3});
  expect_refused({"bert.x.key", "no lora_A"});
  with("bert.other.weight");
  expect_refused({"bert.other.weight", "the base holds no"});
  with("classifier.weight", {2, 2});
  expect_refused({"classifier.weight", "the base holds no"});
  with("bert.x.query.lora_B.bias", {3});
  expect_refused({"bert.x.query", "bias", "does not allow"});
  with("bert.x.query.base_layer.bias", {2});
  expect_refused({"bert.x.query.bias", "[2]", "[3]"});
  with("bert.words.weight", {6, 2});
  expect_refused({"bert.words.weight", "[6, 2]", "[5, 2]", "resized"});
  write_adapter({});
  expect_refused({"no tensor that would change"});
  adapter_.write("adapter_model.safetensors",
                 safetensors_of({{"bert.x.query.lora_A.weight", {1, 2}, {1, 2}}}));
  expect_refused({"does not begin with \"base_model.model.\""});
}

TEST_F(AdapterFolders, RefusesOtherMethodsByTheirKeys) {
  const std::pair<const char*, nlohmann::json> cases[] = {
      {"peft_type", "IA3"},
      {"init_lora_weights", "pissa"},
      {"init_lora_weights", "olora"},
      {"init_lora_weights", 3},
      {"target_parameters", {"experts"}},
      {"bias", "some"},
      {"layer_replication", {{0, 4}}},
      {"alora_invocation_tokens", {1, 2}},
      {"use_qalora", true},
      {"kasa_config", {{"beta", 1}}},
      {"megatron_config", {{"a", 1}}},
      {"a_key_of_the_future", "yes"},
      {"rank_pattern", {{"query", 0}}},
      {"rank_pattern", {"query"}},
      {"alpha_pattern", {{"query", "big"}}},
      {"modules_to_save", "classifier"},
      {"trainable_token_indices", {-1}},
      {"r", 0},
      {"r", 1e9},
      {"lora_alpha", "x"},
      {"use_dora", 1},
      {"peft_type", nullptr},
  };
  for (const auto& [key, value] : cases) {
    write_adapter(update_, {{key, value}});
    expect_refused({"adapter_config.json", key});
  }
  // Words that change nothing, and empty ones that are not known.
  write_adapter(update_, {{"init_lora_weights", "gaussian"},
                          {"lora_dropout", 0.1},
                          {"peft_version", "9"},
                          {"inference_mode", false},
                          {"target_modules", "all-linear"},
                          {"a_key_of_the_future", nullptr},
                          {"another", nlohmann::json::object()}});
  EXPECT_EQ(values("bert.x.query.weight")[0], 3);
}

TEST_F(AdapterFolders, RefusesFoldersThatAreNoAdapter) {
  expect_refused({"has no adapter_config.json"});
  adapter_.write("adapter_config.json", R"({"peft_type": "LORA"})");
  expect_refused({"no adapter_model.safetensors"});
  adapter_.write("adapter_model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  expect_refused({"adapter_model.safetensors", "Git-LFS"});
  adapter_.write("adapter_config.json", "{");
  expect_refused({"adapter_config.json", "not valid JSON"});
}

TEST_F(AdapterFolders, TakesWholeModulesAndBiases) {
  std::vector<FloatTensor> tensors = {{"bert.x.query.base_layer.bias", {3}, {7, 8, 9}},
                                      {"bert.x.query.lora_B.bias", {3}, {1, 1, 1}},
                                      {"classifier.modules_to_save.weight", {3, 2}, {1, 2, 3, 4, 5, 6}},
                                      {"classifier.bias", {3}, {1, 2, 3}}};
  tensors.insert(tensors.end(), update_.begin(), update_.end());
  write_adapter(tensors,
                {{"modules_to_save", {"classifier", "score"}}, {"bias", "lora_only"}, {"lora_bias", true}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("bert.x.query.bias")), (std::vector<float>{9, 10, 11}));
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("classifier.weight")),
            (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(checkpoint.adapter->added, 2);
  EXPECT_EQ(checkpoint.adapter->changed, 2);
  EXPECT_EQ(checkpoint.config.json().at("id2label").size(), 3U);  // nobody else says how many
  EXPECT_EQ(checkpoint.notes.size(), 1U);
}

TEST_F(AdapterFolders, AHeadThatWasTiedBecomesAWeightOfItsOwn) {
  write_adapter({{"lm_head.weight", {5, 2}, std::vector<float>(10, 1.0f)}},
                {{"modules_to_save", {"lm_head"}}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.config.json().at("tie_word_embeddings"), false);
  EXPECT_TRUE(has_parts(checkpoint.notes.at(0), {"lm_head.weight", "two weights"}));
  write_adapter(
      {{"lm_head.lora_A.weight", {1, 2}, {1, 2}}, {"lm_head.lora_B.weight", {5, 1}, {1, 2, 3, 4, 5}}});
  expect_refused({"lm_head", "the base holds no", "ties"});
}

TEST_F(AdapterFolders, ReplacesTrainedTokens) {
  const std::vector<FloatTensor> tensors = {
      {"bert.words.token_adapter.trainable_tokens_delta", {2, 2}, {-1, -2, -3, -4}}};
  const std::vector<float> expected = {0, 1, -3, -4, 4, 5, 6, 7, -1, -2};
  write_adapter(tensors, {{"trainable_token_indices", {{"words", {4, 1}}}}});
  EXPECT_EQ(values("bert.words.weight"), expected);
  write_adapter(tensors, {{"trainable_token_indices", {4, 1}}});
  EXPECT_EQ(values("bert.words.weight"), expected);
  write_adapter(tensors, {{"trainable_token_indices", {4, 5}}});
  expect_refused({"bert.words", "token 5"});
  write_adapter(tensors, {{"trainable_token_indices", {4, 4}}});
  expect_refused({"bert.words", "twice"});
  write_adapter(tensors, {{"trainable_token_indices", {4}}});
  expect_refused({"bert.words", "[2, 2] for 1 ids"});
  write_adapter(tensors, {{"trainable_token_indices", {{"heads", {4, 1}}}}});
  expect_refused({"bert.words", "does not name"});
}

}  // namespace
}  // namespace bantam

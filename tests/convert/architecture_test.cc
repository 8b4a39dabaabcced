#include "convert/architecture.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::TempFolder;

Checkpoint checkpoint_of(const std::filesystem::path& directory, Json config,
                         std::initializer_list<const char*> tensors = {}) {
  Checkpoint checkpoint{
      directory, directory.string(), Config(directory / "config.json", std::move(config)), {}, {}, {}};
  for (const char* name : tensors)
    checkpoint.tensors[name] = make_memory_source(name, {1}, std::vector<float>{1});
  return checkpoint;
}

Task task_of_class(const char* model_type, const char* class_name) {
  return task_of(
      checkpoint_of("/nonexistent", {{"model_type", model_type}, {"architectures", {class_name}}}));
}

TEST(Tasks, AreNamedAsInTransformersAndFoundByNameAndAlias) {
  std::set<std::string_view> names;
  for (const TaskInfo& info : tasks()) {
    EXPECT_EQ(name(info.task), info.name);
    EXPECT_EQ(parse_task(info.name), info.task);
    names.insert(info.name);
  }
  EXPECT_EQ(names,
            (std::set<std::string_view>{"feature-extraction", "fill-mask", "question-answering",
                                        "text-classification", "text-generation", "token-classification"}));
  EXPECT_EQ(parse_task("ner"), Task::kTokenClassification);
  EXPECT_EQ(parse_task("sentiment-analysis"), Task::kTextClassification);
  try {
    parse_task("object-detection");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_TRUE(has_parts(error.message(), {"\"object-detection\"", "fill-mask, text-classification"}));
  }
}

TEST(TaskOf, ReadsTheClassOfTheModelType) {
  EXPECT_EQ(task_of_class("bert", "BertModel"), Task::kFeatureExtraction);
  EXPECT_EQ(task_of_class("xlm-roberta", "XLMRobertaForMaskedLM"), Task::kFillMask);
  EXPECT_EQ(task_of_class("mpnet", "MPNetForSequenceClassification"), Task::kTextClassification);
  EXPECT_EQ(task_of_class("distilbert", "DistilBertForTokenClassification"), Task::kTokenClassification);
  EXPECT_EQ(task_of_class("albert", "AlbertForQuestionAnswering"), Task::kQuestionAnswering);
  EXPECT_EQ(task_of_class("mobilebert", "MobileBertForPreTraining"), Task::kFillMask);
  EXPECT_EQ(task_of_class("electra", "ElectraForPreTraining"), Task::kFeatureExtraction);
  EXPECT_EQ(task_of_class("electra", "ElectraForMaskedLM"), Task::kFillMask);
}

TEST(TaskOf, TakesDecodersForTextGenerationAlsoWithoutAClass) {
  EXPECT_EQ(task_of_class("llama", "LlamaForCausalLM"), Task::kTextGeneration);
  EXPECT_EQ(task_of_class("qwen3", "Qwen3ForCausalLM"), Task::kTextGeneration);
  EXPECT_EQ(task_of_class("gemma3_text", "Gemma3ForCausalLM"), Task::kTextGeneration);
  EXPECT_EQ(task_of_class("gpt_neox", "GPTNeoXForCausalLM"), Task::kTextGeneration);
  EXPECT_EQ(task_of_class("gpt2", "GPT2LMHeadModel"), Task::kTextGeneration);
  for (const char* other : {"Gemma3ForConditionalGeneration", "Gemma3nForCausalLM", "GemmaForCausalLM"}) {
    EXPECT_TRUE(
        has_parts(error_of([&] { task_of_class("gemma3_text", other); }), {other, "is not a class of"}));
  }
  EXPECT_EQ(task_of(checkpoint_of("/x", {{"model_type", "llama"}}, {"lm_head.weight"})),
            Task::kTextGeneration);
  EXPECT_TRUE(has_parts(error_of([] { task_of_class("llama", "LlamaForSequenceClassification"); }),
                        {"known: LlamaForCausalLM (text-generation)"}));
}

TEST(TaskOf, RefusesClassesThatItDoesNotKnowAndListsThoseItDoes) {
  EXPECT_TRUE(has_parts(error_of([] { task_of_class("bert", "BertForNextSentencePrediction"); }),
                        {"config.json: architectures: \"BertForNextSentencePrediction\"",
                         "BertModel (feature-extraction)", "BertForMaskedLM (fill-mask)"}));
  for (const char* name :
       {"BertLMHeadModel", "BertForCausalLM", "Bert", "", "BertModelForMaskedLM", "bert"}) {
    EXPECT_TRUE(has_parts(error_of([&] { task_of_class("bert", name); }), {"architectures"})) << name;
  }
}

// jina-embeddings-v2 says model_type "bert" and computes something else by remote code.
TEST(TaskOf, RefusesClassesOfAnotherModelUnderAKnownModelType) {
  EXPECT_TRUE(has_parts(error_of([] { task_of_class("bert", "JinaBertForMaskedLM"); }),
                        {"\"JinaBertForMaskedLM\"", "\"bert\""}));
  EXPECT_TRUE(
      has_parts(error_of([] { task_of_class("roberta", "BertModel"); }), {"\"BertModel\"", "\"roberta\""}));
}

TEST(TaskOf, TakesSentenceTransformersFoldersWithPoolingForFeatureExtraction) {
  const TempFolder folder;
  // all-mpnet-base-v2 keeps the class that its encoder was trained as.
  const Json config = {{"model_type", "mpnet"}, {"architectures", {"MPNetForMaskedLM"}}};
  EXPECT_EQ(task_of(checkpoint_of(folder.path(), config)), Task::kFillMask);
  folder.write("modules.json", R"([{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"},
                                   {"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}])");
  EXPECT_EQ(task_of(checkpoint_of(folder.path(), config)), Task::kFeatureExtraction);
  // SPLADE reads the masked language model's logits: its pooling is another module.
  folder.write("modules.json", R"([{"type":"sentence_transformers.sparse_encoder.models.MLMTransformer"},
                                   {"type":"sentence_transformers.sparse_encoder.models.SpladePooling"}])");
  EXPECT_EQ(task_of(checkpoint_of(folder.path(), config)), Task::kFillMask);
  for (const char* text : {"{}", "[7]", "[{}]", R"([{"type": 7}])"}) {
    folder.write("modules.json", text);
    EXPECT_TRUE(has_parts(error_of([&] { task_of(checkpoint_of(folder.path(), config)); }),
                          {"modules.json", "list"}));
  }
}

TEST(TaskOf, WithoutAClassIsFeatureExtractionUnlessTheWeightsHoldAHead) {
  const Json config = {{"model_type", "bert"}};
  EXPECT_EQ(task_of(checkpoint_of("/x", config, {"bert.pooler.dense.weight", "embeddings.a"})),
            Task::kFeatureExtraction);
  for (const char* head : {"classifier.weight", "cls.predictions.bias", "qa_outputs.bias", "lm_head.bias"}) {
    EXPECT_TRUE(has_parts(error_of([&] {
                            task_of(checkpoint_of("/x", config, {"bert.a", head}));
                          }),
                          {"no architectures", head, "question-answering"}));
  }
}

// Fixture folders are called "<family>-<task>[-<variant>]", and transformers itself wrote their configs.
TEST(TaskOf, IsTheTaskThatEveryFixtureIsNamedAfter) {
  int compared = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(BANTAM_TESTDATA) / "fixtures")) {
    if (!std::filesystem::exists(entry.path() / "config.json")) continue;
    const std::string folder = entry.path().filename().string();
    std::string stated;
    for (const TaskInfo& info : tasks()) {
      if (folder.find("-" + std::string(info.name)) != folder.npos) stated = info.name;
    }
    if (stated.empty()) continue;
    EXPECT_EQ(name(task_of(open_checkpoint(entry.path().string()))), stated) << folder;
    ++compared;
  }
  EXPECT_GT(compared, 50);
}

TEST(BuildModel, RefusesModelTypesThatItDoesNotKnow) {
  EXPECT_TRUE(has_parts(error_of([] {
                          build_model(checkpoint_of("/x", {{"model_type", "mamba\x1b"}}), {});
                        }),
                        {"/x/config.json: model_type: \"mamba\\x1b\" is not supported", "known: "}));
  EXPECT_TRUE(has_parts(error_of([] { build_model(checkpoint_of("/x", Json::object()), {}); }),
                        {"model_type is missing"}));
}

TEST(BuildModel, SaysWhatTheCheckpointIsWhereTheWantedHeadIsNotThere) {
  const Checkpoint checkpoint = open_checkpoint(BANTAM_TESTDATA "/fixtures/bert-text-classification-2");
  EXPECT_EQ(build_model(checkpoint, {}).task, Task::kTextClassification);
  EXPECT_EQ(build_model(checkpoint, Task::kFeatureExtraction).task, Task::kFeatureExtraction);
  EXPECT_TRUE(has_parts(error_of([&] { build_model(checkpoint, Task::kFillMask); }),
                        {"as fill-mask: ", "bert-text-classification-2", "missing: ", "cls.predictions",
                         "config.json states \"BertForSequenceClassification\""}));
}

TEST(BuildModel, PassesOnWhatTheCheckpointPassedOver) {
  Checkpoint checkpoint = open_checkpoint(BANTAM_TESTDATA "/fixtures/bert-feature-extraction");
  checkpoint.notes = {"passed over"};
  EXPECT_EQ(build_model(checkpoint, {}).notes.at(0), "passed over");
}

TEST(BuildModel, NotesWhatSentenceTransformersComputesAfterPooling) {
  const TempFolder folder;
  Checkpoint checkpoint = open_checkpoint(BANTAM_TESTDATA "/fixtures/bert-feature-extraction");
  checkpoint.directory = folder.path();
  const auto module = [](const char* name) {
    return fmt::format(R"({{"type":"sentence_transformers.models.{}"}})", name);
  };
  folder.write("modules.json",
               fmt::format("[{},{},{}]", module("Transformer"), module("Pooling"), module("Normalize")));
  const std::size_t before = build_model(checkpoint, {}).notes.size();
  folder.write("modules.json",
               fmt::format("[{},{},{}]", module("Transformer"), module("Pooling"), module("Dense")));
  const ModelGraph model = build_model(checkpoint, {});
  ASSERT_EQ(model.notes.size(), before + 1);
  EXPECT_TRUE(has_parts(model.notes.back(), {"\"Dense\"", "not exported"}));
}

TEST(BuildModel, RefusesQuantizedCheckpoints) {
  EXPECT_TRUE(has_parts(
      error_of([] {
        build_model(
            checkpoint_of("/x", {{"model_type", "bert"}, {"quantization_config", {{"quant_method", "awq"}}}}),
            {});
      }),
      {"quantization_config", "\"awq\""}));
}

TEST(Architectures, HaveNoModelTypeTwice) {
  std::set<std::string_view> seen;
  for (const Architecture* architecture : architectures()) {
    EXPECT_FALSE(architecture->tasks.empty()) << architecture->family;
    for (const std::string_view type : architecture->model_types)
      EXPECT_TRUE(seen.insert(type).second) << type;
  }
}

}  // namespace
}  // namespace bantam

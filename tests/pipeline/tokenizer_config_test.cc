#include <gtest/gtest.h>

#include "tests/pipeline/collected.h"

namespace bantam::test {
namespace {

using nlohmann::json;

// tokenizer_config.json of the bundle for one of a checkpoint, which has `config` and a small BERT's words.
json completed(const std::string& stated, const std::string& config = R"({"model_type": "bert"})") {
  const TempFolder folder;
  write_bert(folder, config);
  folder.write("tokenizer_config.json", stated);
  return Collected(folder.path()).json("tokenizer_config.json");
}

json length_of(const std::string& stated,
               const std::string& config = R"({"model_type": "bert", "max_position_embeddings": 40})") {
  return completed(R"({"tokenizer_class": "BertTokenizer")" +
                       (stated.empty() ? "" : R"(, "model_max_length": )" + stated) + "}",
                   config)["model_max_length"];
}

TEST(TokenizerConfig, IsMadeWhereThereIsNone) {
  EXPECT_EQ(Collected(BANTAM_TESTDATA "/vocabularies/bert-alone").json("tokenizer_config.json"),
            json::parse(R"({"tokenizer_class": "BertTokenizer", "model_max_length": 512, "unk_token": "[UNK]",
                            "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
                            "do_lower_case": true, "tokenize_chinese_chars": true})"));
  EXPECT_EQ(Collected(BANTAM_TESTDATA "/vocabularies/mpnet-token-map")
                .json("tokenizer_config.json")["model_max_length"],
            510);
}

TEST(TokenizerConfig, IsMadeToAgreeWithTheTokenizerThatIsThere) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "bert", "max_position_embeddings": 40})");
  folder.write("tokenizer.json",
               R"({"added_tokens": [{"id": 0, "content": "[PAD]"}, {"id": 1, "content": "[UNK]"}],
      "normalizer": {"type": "BertNormalizer", "lowercase": false, "strip_accents": true, "handle_chinese_chars": false},
      "model": {"type": "WordPiece", "vocab": {"[PAD]": 0, "[UNK]": 1}}})");
  const Collected made(folder.path());
  EXPECT_TRUE(made.copied("tokenizer.json"));
  EXPECT_EQ(made.json("tokenizer_config.json"),
            json::parse(R"({"tokenizer_class": "BertTokenizer", "model_max_length": 40, "unk_token": "[UNK]",
                            "pad_token": "[PAD]", "do_lower_case": false, "strip_accents": true,
                            "tokenize_chinese_chars": false})"));
  EXPECT_TRUE(made.noted("tokenizer_config.json is made: BertTokenizer, model_max_length 40"));
}

TEST(TokenizerConfig, IsMadeForModelsThatAreNotKnownWithoutALength) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "something"})");
  folder.write("tokenizer.json", R"({"added_tokens": [{"id": 0, "content": "<p>"}], "model": {}})");
  folder.write("special_tokens_map.json", R"({"pad_token": "<p>", "eos_token": "<e>"})");
  EXPECT_EQ(Collected(folder.path()).json("tokenizer_config.json"),
            json::parse(R"({"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<p>"})"));
}

TEST(TokenizerConfig, GetsALengthThatThePositionTableHolds) {
  EXPECT_EQ(length_of(""), 40);
  EXPECT_EQ(length_of("1000000000000000019884624838656"), 40);
  EXPECT_EQ(length_of("1e30"), 40);
  EXPECT_EQ(length_of("null"), 40);
  EXPECT_EQ(length_of("\"long\""), 40);
  EXPECT_EQ(length_of("0"), 40);
  EXPECT_EQ(length_of("-1"), 40);
  EXPECT_EQ(length_of("41"), 40);
  EXPECT_EQ(length_of("40"), 40);
  EXPECT_EQ(length_of("17"), 17);
  EXPECT_EQ(length_of("", R"({"model_type": "roberta", "max_position_embeddings": 40})"), 38);
  EXPECT_EQ(
      length_of("", R"({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 3})"),
      510);
  EXPECT_EQ(
      length_of("514", R"({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})"),
      512);
  EXPECT_EQ(length_of("", R"({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 7})"),
            512);
  EXPECT_EQ(length_of("1e30", R"({"model_type": "something"})"), 1e30);
}

TEST(TokenizerConfig, SaysWhyTheLengthChanged) {
  const TempFolder folder;
  write_bert(folder, R"({"model_type": "bert", "max_position_embeddings": 40})");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "model_max_length": 512})");
  EXPECT_TRUE(Collected(folder.path()).noted("model_max_length 40 instead of 512"));
}

TEST(TokenizerConfig, TakesTheLengthOfSentenceTransformersWhereNoneIsStated) {
  const TempFolder folder;
  write_bert(folder, R"({"model_type": "bert", "max_position_embeddings": 40})");
  folder.write("sentence_bert_config.json", R"({"max_seq_length": 16, "do_lower_case": false})");
  folder.write("tokenizer_config.json", "{}");
  EXPECT_EQ(Collected(folder.path()).json("tokenizer_config.json")["model_max_length"], 16);
  folder.write("tokenizer_config.json", R"({"model_max_length": 32})");
  const Collected stated(folder.path());
  EXPECT_EQ(stated.json("tokenizer_config.json")["model_max_length"], 32);
  EXPECT_TRUE(stated.noted("sentence-transformers cuts at 16"));
}

TEST(TokenizerConfig, GetsTheClassThatGivesTokenTypes) {
  const auto class_of = [](const std::string& stated, const std::string& type) {
    return completed(stated, R"({"model_type": ")" + type + R"("})").value("tokenizer_class", "");
  };
  const char* fast = R"({"tokenizer_class": "PreTrainedTokenizerFast"})";
  const char* backend = R"({"tokenizer_class": "TokenizersBackend"})";
  EXPECT_EQ(class_of(fast, "bert"), "BertTokenizer");
  EXPECT_EQ(class_of(backend, "bert"), "BertTokenizer");
  EXPECT_EQ(class_of(backend, "electra"), "ElectraTokenizer");
  EXPECT_EQ(class_of(backend, "mobilebert"), "MobileBertTokenizer");
  EXPECT_EQ(class_of(backend, "distilbert"), "TokenizersBackend");  // has no token types
  EXPECT_EQ(class_of(backend, "something"), "TokenizersBackend");
  EXPECT_EQ(class_of("{}", "distilbert"), "DistilBertTokenizer");
  EXPECT_EQ(class_of(R"({"tokenizer_class": "BertTokenizerFast"})", "bert"), "BertTokenizerFast");
  EXPECT_EQ(class_of(R"({"tokenizer_class": "XLMRobertaTokenizer"})", "bert"), "XLMRobertaTokenizer");
  EXPECT_EQ(
      class_of(
          R"({"tokenizer_class": "TokenizersBackend", "model_input_names": ["input_ids", "attention_mask"]})",
          "bert"),
      "TokenizersBackend");
  EXPECT_EQ(
      completed("{}", R"({"model_type": "bert", "tokenizer_class": "ElectraTokenizer"})")["tokenizer_class"],
      "ElectraTokenizer");
}

TEST(TokenizerConfig, KeepsEverythingElse) {
  const json made =
      completed(R"({"tokenizer_class": "BertTokenizer", "zzz": [1, {"a": null}], "padding_side": "left",
                                  "pad_token": null, "mask_token": {"content": "[MASK]", "lstrip": true},
                                  "unk_token": {"__type": "AddedToken", "content": "[UNK]"}})");
  EXPECT_EQ(made["zzz"], json::parse(R"([1, {"a": null}])"));
  EXPECT_EQ(made["padding_side"], "left");
  EXPECT_TRUE(made["pad_token"].is_null());
  // transformers.js refuses objects without the type
  EXPECT_EQ(made["mask_token"],
            json::parse(R"({"__type": "AddedToken", "content": "[MASK]", "lstrip": true})"));
  EXPECT_EQ(made["unk_token"], json::parse(R"({"__type": "AddedToken", "content": "[UNK]"})"));
  EXPECT_EQ(made["cls_token"], "[CLS]");
}

TEST(TokenizerConfig, FollowsSpecialTokensMapAsTransformersDoes) {
  const TempFolder folder;
  write_bert(folder);
  folder.write("tokenizer_config.json", R"({"pad_token": "[MASK]", "unk_token": "[UNK]"})");
  folder.write("special_tokens_map.json", R"({"pad_token": "[PAD]"})");
  const Collected made(folder.path());
  EXPECT_EQ(made.json("tokenizer_config.json")["pad_token"], "[PAD]");
  EXPECT_TRUE(made.noted("pad_token \"[PAD]\" instead of \"[MASK]\""));
}

TEST(ChatTemplate, IsInlinedWhereItStandsAlone) {
  const TempFolder folder;
  write_bert(folder);
  folder.write("chat_template.jinja", "{{ messages }}\n\u00e9");
  const Collected alone(folder.path());
  EXPECT_EQ(alone.json("tokenizer_config.json")["chat_template"], "{{ messages }}\n\u00e9");
  EXPECT_TRUE(alone.copied("chat_template.jinja"));

  folder.write("tokenizer_config.json", R"({"chat_template": "another"})");
  const Collected both(folder.path());
  EXPECT_EQ(both.json("tokenizer_config.json")["chat_template"], "{{ messages }}\n\u00e9");
  EXPECT_TRUE(both.noted("chat template"));

  folder.write("additional_chat_templates/tool_use.jinja", "tools");
  const Collected several(folder.path());
  EXPECT_EQ(
      several.json("tokenizer_config.json")["chat_template"],
      json::parse(
          R"([{"name": "default", "template": "{{ messages }}\n\u00e9"}, {"name": "tool_use", "template": "tools"}])"));
  EXPECT_TRUE(several.copied("additional_chat_templates/tool_use.jinja"));

  folder.write("chat_template.jinja", "\xff");
  EXPECT_TRUE(has_parts(error_of([&] { Collected c(folder.path()); }), {"chat_template.jinja", "UTF-8"}));
}

TEST(ChatTemplate, IsWrittenAsAFileWhereItStandsInTheConfig) {
  const TempFolder folder;
  write_bert(folder);
  folder.write("tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(Collected(folder.path()).text("chat_template.jinja"), "one");
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "rag", "template": "a"}, {"name": "default", "template": "b"}]})");
  EXPECT_EQ(Collected(folder.path()).text("chat_template.jinja"), "b");
  folder.write("tokenizer_config.json", "{}");
  folder.write("chat_template.json", R"({"chat_template": "old"})");
  const Collected oldest(folder.path());
  EXPECT_EQ(oldest.text("chat_template.jinja"), "old");
  EXPECT_EQ(oldest.json("tokenizer_config.json")["chat_template"], "old");
}

TEST(PreprocessorConfig, IsMadeFromProcessorConfig) {
  const TempFolder folder;
  write_bert(folder);
  folder.write(
      "processor_config.json",
      R"({"processor_class": "P", "image_processor": {"image_processor_type": "ViTImageProcessorFast",
      "do_resize": true}, "feature_extractor": {"feature_extractor_type": "F", "do_resize": false, "sampling_rate": 16000}})");
  EXPECT_EQ(
      Collected(folder.path()).json("preprocessor_config.json"),
      json::parse(R"({"processor_class": "P", "image_processor_type": "ViTImageProcessor", "do_resize": true,
                            "feature_extractor_type": "F", "sampling_rate": 16000})"));
  folder.write("processor_config.json", R"({"processor_class": "P"})");
  EXPECT_FALSE(Collected(folder.path()).has("preprocessor_config.json"));
  folder.write("preprocessor_config.json", "{}");
  EXPECT_TRUE(Collected(folder.path()).copied("preprocessor_config.json"));
}

}  // namespace
}  // namespace bantam::test

#include "calibrate/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/calibrate/encode_options.h"
#include "tests/calibrate/temporary_file.h"

// These run in builds with BANTAM_TOKENIZERS=ON; without it, bridge_absent_test.cc says what happens instead.
#if BANTAM_HAS_TOKENIZERS

namespace bantam {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(BANTAM_TESTDATA) / "tokenizers";

std::string file_text(const fs::path& path) {
  return read_text_file(path, 1 << 24);
}

std::vector<Encoding> run(const Tokenizer& tokenizer, const Json& request) {
  if (request.contains("words")) {
    const auto words = request["words"].get<std::vector<std::string>>();
    return {tokenizer.encode_words(words, options_of(request))};
  }
  const auto text = request["text"].get<std::string>();
  const auto pair = request.value("pair", std::string());
  return tokenizer.encode_spans({text, pair, request.contains("pair")}, options_of(request));
}

void expect_span(const Encoding& got, const Json& want) {
  EXPECT_EQ(got.ids, want["ids"].get<std::vector<std::int64_t>>());
  EXPECT_EQ(got.type_ids, want["type_ids"].get<std::vector<std::int64_t>>());
  EXPECT_EQ(got.word_ids, want["word_ids"].get<std::vector<std::int32_t>>());
  EXPECT_EQ(got.sequence_ids, want["sequence_ids"].get<std::vector<std::int32_t>>());
  EXPECT_EQ(got.special, want["special"].get<std::vector<std::uint8_t>>());
  std::vector<ByteRange> offsets;
  for (const Json& range : want["offsets"]) offsets.push_back({range[0], range[1]});
  EXPECT_EQ(got.offsets, offsets);
}

TEST(Tokenizer, AnswersWhatThePythonPackageAnswers) {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".cases.json")) continue;
    ++files;
    const std::string stem = name.substr(0, name.size() - std::string(".cases.json").size());
    const Tokenizer tokenizer = Tokenizer::load(kFolder / (stem + ".json"));
    const Json cases = read_json_file(entry.path());
    EXPECT_GT(cases.size(), 30u);
    for (const Json& one : cases) {
      const Json& request = one["request"];
      const Json& want = one["answer"];
      SCOPED_TRACE(stem + ": " + request.dump());
      if (request.contains("decode")) {
        const auto ids = request["decode"].get<std::vector<std::int64_t>>();
        EXPECT_EQ(tokenizer.decode(ids, request["skip_special_tokens"]), want.get<std::string>());
      } else if (want.is_object()) {  // the package fails
        EXPECT_THROW(run(tokenizer, request), Error);
      } else {
        const std::vector<Encoding> got = run(tokenizer, request);
        ASSERT_EQ(got.size(), want.size());
        for (std::size_t i = 0; i < got.size(); ++i) expect_span(got[i], want[i]);
      }
    }
  }
  EXPECT_EQ(files, 6);
}

TEST(Tokenizer, EncodesBatchesTheSameOnAnyNumberOfThreads) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder / "roberta.json");
  std::vector<std::string> texts;
  for (int i = 0; i < 203; ++i) texts.push_back("text number " + std::to_string(i * i) + " of the bätch");
  std::vector<TextPair> inputs;
  for (const std::string& text : texts) inputs.push_back({text, texts[0], inputs.size() % 3 == 0});
  const EncodeOptions options{.truncation = Truncation::kLongestFirst, .max_length = 23};
  const auto one = tokenizer.encode_batch(inputs, options, 1);
  const auto four = tokenizer.encode_batch(inputs, options, 4);
  ASSERT_EQ(one.size(), inputs.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].ids, four[i].ids);
    EXPECT_EQ(one[i].ids, inputs[i].has_pair
                              ? tokenizer.encode_pair(inputs[i].text, inputs[i].pair, options).ids
                              : tokenizer.encode(inputs[i].text, options).ids);
  }
}

TEST(Tokenizer, PadsToTheLongestOnTheSideAsked) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder / "wordpiece-uncased.json");
  std::vector<Encoding> batch = {tokenizer.encode("dog"), tokenizer.encode("the lazy dog")};
  const auto longest = batch[1].size();
  const auto short_ids = batch[0].ids;
  pad(batch, {.id = 77, .type_id = 1, .side = Side::kRight, .multiple_of = 1});
  EXPECT_EQ(batch[0].size(), longest);
  EXPECT_EQ(batch[0].ids.back(), 77);
  EXPECT_EQ(batch[0].type_ids.back(), 1);
  EXPECT_EQ(batch[0].attention_mask.back(), 0);
  EXPECT_EQ(batch[0].attention_mask.front(), 1);
  EXPECT_EQ(batch[0].special.back(), 1);
  EXPECT_EQ(batch[0].sequence_ids.back(), -1);
  EXPECT_EQ(batch[0].offsets.size(), batch[0].ids.size());

  batch = {tokenizer.encode("dog")};
  pad(batch, {.id = 5, .type_id = 0, .side = Side::kLeft, .multiple_of = 8}, 9);
  EXPECT_EQ(batch[0].size(), 16);
  EXPECT_EQ(batch[0].attention_mask.front(), 0);
  EXPECT_EQ(std::vector<std::int64_t>(batch[0].ids.end() - std::ssize(short_ids), batch[0].ids.end()),
            short_ids);
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder / "wordpiece-uncased.json");
  EXPECT_EQ(tokenizer.token_to_id("[CLS]"), 2);
  EXPECT_EQ(tokenizer.id_to_token(2), "[CLS]");
  EXPECT_EQ(tokenizer.token_to_id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(1 << 30), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(-1), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(std::int64_t{1} << 40), std::nullopt);
  EXPECT_TRUE(tokenizer.id_to_token(tokenizer.vocabulary_size() - 1).has_value());
  EXPECT_FALSE(tokenizer.id_to_token(tokenizer.vocabulary_size()).has_value());
}

TEST(Tokenizer, TakesLimitsAndSpecialTokensFromItsFolder) {
  const TemporaryFolder folder;
  fs::copy_file(kFolder / "wordpiece-uncased.json", folder.path() / "tokenizer.json");
  write_text_file(folder.path() / "tokenizer_config.json",
                  R"({"model_max_length": 37, "padding_side": "left", "truncation_side": "left",
                      "pad_token": {"content": "[MASK]"}, "mask_token": "[MASK]", "bos_token": null})");
  write_text_file(folder.path() / "special_tokens_map.json",
                  R"({"cls_token": "[CLS]", "pad_token": "[PAD]"})");
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer.max_length(), 37);
  EXPECT_EQ(tokenizer.padding().side, Side::kLeft);
  EXPECT_EQ(tokenizer.padding().id, 4);  // tokenizer_config.json comes first
  EXPECT_EQ(tokenizer.special_token_id("mask_token"), 4);
  EXPECT_EQ(tokenizer.special_token_id("cls_token"), 2);
  EXPECT_EQ(tokenizer.special_token_id("bos_token"), std::nullopt);
  const Encoding cut =
      tokenizer.encode("one two dog", {.truncation = Truncation::kLongestFirst, .max_length = 3});
  ASSERT_EQ(cut.size(), 3);
  EXPECT_EQ(cut.offsets[1].end, 11u);  // the end was kept
}

TEST(Tokenizer, TakesTheHugeDefaultLengthForNoLimit) {
  const std::string json = file_text(kFolder / "wordpiece-uncased.json");
  EXPECT_EQ(
      Tokenizer::from_json(json, R"({"model_max_length": 1000000000000000019884624838656})").max_length(),
      std::nullopt);
  EXPECT_EQ(Tokenizer::from_json(json).max_length(), std::nullopt);
  EXPECT_EQ(Tokenizer::from_json(json, R"({"model_max_length": 512})").max_length(), 512);
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder / "roberta.json");
  EXPECT_EQ(error_of([&] { tokenizer.encode("ab\xff"); }), "tokenizer: invalid UTF-8 at byte 2");
  EXPECT_NE(error_of([&] { tokenizer.encode_pair("ok", std::string_view("\xed\xa0\x80", 3)); }), "no error");
}

TEST(Tokenizer, RefusesWhatCannotBeMet) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder / "wordpiece-uncased.json");
  const auto encode = [&](Truncation truncation, std::int64_t length, std::int64_t stride) {
    return error_of([&] {
      tokenizer.encode("a rather long text",
                       {.truncation = truncation, .max_length = length, .stride = stride});
    });
  };
  EXPECT_NE(encode(Truncation::kLongestFirst, 1, 0), "no error");  // two special tokens
  EXPECT_NE(encode(Truncation::kLongestFirst, 4, 3), "no error");  // would never end
  EXPECT_NE(encode(Truncation::kLongestFirst, -1, 0), "no error");
  EXPECT_NE(encode(Truncation::kOnlySecond, 4, 0), "no error");  // there is no second
  EXPECT_NE(error_of([&] { tokenizer.decode(std::vector<std::int64_t>{-3}); }), "no error");
}

TEST(Tokenizer, NamesTheFileThatCannotBeLoaded) {
  const TemporaryFolder folder;
  EXPECT_NE(error_of([&] { Tokenizer::load(folder.path()); }).find("no tokenizer.json here"),
            std::string::npos);
  const fs::path file = folder.path() / "tokenizer.json";
  for (const char* text :
       {"", "{", "[]", "{\"model\": 3}", "{\"version\": \"1.0\", \"model\": {\"type\": \"Future\"}}"}) {
    write_text_file(file, text);
    const std::string message = error_of([&] { Tokenizer::load(folder.path()); });
    EXPECT_TRUE(message.starts_with(file.string() + ": ")) << message;
    fs::remove(file);
  }
  write_text_file(file, "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_NE(error_of([&] { Tokenizer::load(folder.path()); }).find("Git-LFS"), std::string::npos);
}

// The crate unwraps here and there: such a panic must come back as an error, on any thread, and leave all
// usable.
TEST(Tokenizer, TurnsAPanicWhileLoadingIntoAnError) {
  // The crate slices the prefix off a merge that is shorter than it.
  const std::string message = error_of([] {
    Tokenizer::from_json(R"({"version": "1.0", "added_tokens": [], "model": {"type": "BPE",
        "continuing_subword_prefix": "######", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  });
  EXPECT_NE(message.find("the library gave up"), std::string::npos) << message;
}

TEST(Tokenizer, TurnsAPanicOfTheCrateIntoAnError) {
  Json json = read_json_file(kFolder / "llama3-like.json");
  const Tokenizer tokenizer = Tokenizer::from_json(json.dump());
  const EncodeOptions options{.truncation = Truncation::kLongestFirst, .max_length = 4, .stride = 1};
  for (int round = 0; round < 3; ++round) {
    const std::string message =
        error_of([&] { tokenizer.encode_pair("a b c d e f", "g h i j k l", options); });
    EXPECT_NE(message.find("the library gave up"), std::string::npos) << message;
    EXPECT_NE(message.find("stride"), std::string::npos) << message;
  }
  EXPECT_GT(tokenizer.encode("still works").size(), 2);
}

// Broken files of every kind: an error or a tokenizer, never a crash.
TEST(Tokenizer, SurvivesDamagedFiles) {
  std::mt19937 random(11);
  int loaded = 0, refused = 0;
  for (const char* name :
       {"wordpiece-uncased.json", "llama3-like.json", "unigram-metaspace.json", "added-tokens.json"}) {
    const std::string whole = file_text(kFolder / name);
    for (int round = 0; round < 150; ++round) {
      std::string damaged = whole;
      for (int hits = 0; hits < 1 + round % 4; ++hits) {
        const std::size_t at = random() % damaged.size();
        switch (random() % 4) {
          case 0:
            damaged[at] = static_cast<char>(random() % 256);
            break;
          case 1:
            damaged.erase(at, 1 + random() % 40);
            break;
          case 2:
            damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 30));
            break;
          default:
            damaged[at] = "0123456789-\"{}[],:"[random() % 18];
            break;
        }
      }
      try {
        const Tokenizer tokenizer = Tokenizer::from_json(damaged);
        ++loaded;
        const Encoding encoding =
            tokenizer.encode_pair("Hello, wörld [MASK] new word", "naïve 你好 👍🏽");
        tokenizer.decode(encoding.ids);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(loaded, 20);
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace bantam

#endif

// What our post-processing makes of logits, against what the pipelines of transformers made of the same
// logits, recorded by tests/oracle/make_answer_cases.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/json.h"
#include "calibrate/answers/answer_span.h"
#include "calibrate/answers/classes.h"
#include "calibrate/answers/embedding.h"
#include "calibrate/answers/entity_groups.h"
#include "calibrate/answers/fill_mask.h"
#include "tests/calibrate/temporary_file.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

Json cases_of(const char* name) {
  return read_json_file(fs::path(BANTAM_TESTDATA) / "answers" / (std::string(name) + ".json"));
}

template <typename T>
std::vector<T> list(const Json& value) {
  return value.get<std::vector<T>>();
}

TEST(Classes, EqualThePipeline) {
  const Json cases = cases_of("classification");
  EXPECT_EQ(cases.size(), 15u);
  for (const Json& one : cases) {
    const auto logits = list<float>(one["logits"]);
    const auto scores = class_scores(logits, class_function(one, std::ssize(logits)));
    ASSERT_EQ(scores.size(), one["scores"].size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(scores[i].id, one["scores"][i][0].get<std::int64_t>());
      EXPECT_NEAR(scores[i].score, one["scores"][i][1], 1e-6);
    }
  }
}

TEST(Classes, PutNanLast) {
  const std::vector<float> logits = {NAN, -3, 2};
  EXPECT_EQ(class_scores(logits, ClassFunction::kNone)[0].id, 2);
  EXPECT_EQ(class_scores(logits, ClassFunction::kNone)[2].id, 0);
  EXPECT_EQ(arg_max(logits), 2);
  EXPECT_EQ(arg_max(std::vector<float>{1, 1}), 0);
}

TEST(Embedding, EqualsSentenceTransformers) {
  const Json cases = cases_of("embeddings");
  EXPECT_EQ(cases.size(), 14u);
  for (const Json& one : cases) {
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "1_Pooling");
    folder.write("modules.json",
                 R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
                     {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])");
    folder.write("1_Pooling/config.json", Json{{"pooling_mode", one["mode"]}}.dump());
    EmbeddingModules modules = read_embedding_modules(folder.path()).value();
    EXPECT_FALSE(modules.normalize);
    for (const char* field : {"embedding", "normalized"}) {
      const auto vector = embed(list<float>(one["hidden"]), list<std::int64_t>(one["mask"]), modules);
      const auto expected = list<float>(one[field]);
      ASSERT_EQ(vector.size(), expected.size());
      for (std::size_t i = 0; i < vector.size(); ++i)
        EXPECT_NEAR(vector[i], expected[i], 1e-6) << one["mode"];
      modules.normalize = true;
    }
  }
}

TEST(Embedding, ReadsTheFlagsOfOlderFolders) {
  const TemporaryFolder folder;
  EXPECT_FALSE(read_embedding_modules(folder.path()).has_value());
  fs::create_directory(folder.path() / "1_Pooling");
  const auto read = [&](std::string_view types, std::string_view config) {
    Json list = Json::array();
    for (const Json& type : Json::parse(types))
      list.push_back({{"type", type}, {"path", type == "x.Pooling" ? "1_Pooling" : ""}});
    fs::remove(folder.path() / "modules.json");
    fs::remove(folder.path() / "1_Pooling/config.json");
    folder.write("modules.json", list.dump());
    folder.write("1_Pooling/config.json", config);
    return read_embedding_modules(folder.path()).value();
  };
  const std::string_view all = R"(["x.Transformer", "x.Pooling", "x.Normalize"])";
  const EmbeddingModules modules =
      read(all, R"({"word_embedding_dimension": 4, "pooling_mode_cls_token": true,
      "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false})");
  EXPECT_EQ(modules.poolings, (std::vector<Pooling>{Pooling::kCls, Pooling::kMean}));
  EXPECT_TRUE(modules.normalize);
  const std::string_view mean = R"({"pooling_mode_mean_tokens": true})";
  EXPECT_NE(error_of([&] { read(R"(["x.Transformer", "x.Pooling", "x.Dense"])", mean); }).find("x.Dense"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read(R"(["x.Transformer"])", mean); }).find("no pooling"), std::string::npos);
  EXPECT_NE(
      error_of([&] { read(all, R"({"pooling_mode_weightedmean_tokens": true})"); }).find("weightedmean"),
      std::string::npos);
  EXPECT_NE(error_of([&] { read(all, "{}"); }), "no error");
  EXPECT_NE(error_of([&] { embed(std::vector<float>(6), std::vector<std::int64_t>(3), {}); }), "no error");
}

#if BANTAM_HAS_TOKENIZERS

Tokenizer tokenizer_of(const Json& one) {
  const bool roberta = one["tokenizer"] == "roberta";
  Json config = {{"cls_token", roberta ? "<s>" : "[CLS]"}, {"mask_token", roberta ? "<mask>" : "[MASK]"}};
  if (one.contains("max_length")) config["model_max_length"] = one["max_length"];
  const fs::path file =
      fs::path(BANTAM_TESTDATA) / "tokenizers" / (one["tokenizer"].get<std::string>() + ".json");
  return Tokenizer::from_json(read_text_file(file, 1 << 20), config.dump());
}

TEST(EntityGroups, EqualThePipeline) {
  const Json cases = cases_of("entities");
  EXPECT_EQ(cases.size(), 24u);
  std::size_t found = 0;
  for (const Json& one : cases) {
    SCOPED_TRACE(one["text"].dump());
    const LabelNames labels{list<std::string>(one["labels"]), false};
    const Encoding encoding = tokenizer_of(one).encode(one["text"].get<std::string>());
    const auto entities = entity_groups(encoding, list<float>(one["logits"]), labels);
    ASSERT_EQ(entities.size(), one["entities"].size());
    for (std::size_t i = 0; i < entities.size(); ++i) {
      const Json& wanted = one["entities"][i];
      EXPECT_EQ(entities[i].type, wanted["type"].get<std::string>());
      EXPECT_NEAR(entities[i].score, wanted["score"], 1e-5);
      EXPECT_EQ(entities[i].where, (ByteRange{wanted["where"][0], wanted["where"][1]}));
    }
    found += entities.size();
  }
  EXPECT_GT(found, 40u);
}

TEST(EntityGroups, TagWordsByTheirFirstToken) {
  const Tokenizer tokenizer = tokenizer_of({{"tokenizer", "wordpiece-uncased"}});
  const std::vector<std::string> words = {"quartz", "\u200b", "zebras"};
  const Encoding encoding = tokenizer.encode_words(words);
  const LabelNames labels{{"O", "B-x"}, false};
  std::vector<float> logits;
  for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
    const bool first =
        encoding.word_ids[token] >= 0 && encoding.word_ids[token] != encoding.word_ids[token - 1];
    logits.insert(logits.end(), {0.0f, first ? 1.0f : -1.0f});
  }
  EXPECT_EQ(word_tags(encoding, logits, labels, 3), (std::vector<std::string>{"B-x", "O", "B-x"}));
  EXPECT_EQ(word_tags(encoding, logits, labels, 4)[3], "O");
  logits.pop_back();
  EXPECT_NE(error_of([&] { word_tags(encoding, logits, labels, 3); }), "no error");
}

TEST(AnswerSpan, EqualsThePipeline) {
  const Json cases = cases_of("answers");
  EXPECT_EQ(cases.size(), 18u);
  bool several = false;
  for (const Json& one : cases) {
    SCOPED_TRACE(one["question"].dump() + one["tokenizer"].dump() + one["max_length"].dump());
    const Tokenizer tokenizer = tokenizer_of(one);
    const auto context = one["context"].get<std::string>();
    AnswerOptions options;
    options.may_be_unanswerable = one["may_be_unanswerable"];
    const auto spans = encode_question(tokenizer, one["question"].get<std::string>(), context, options);
    ASSERT_EQ(spans.size(), one["spans"].size());
    several = several || spans.size() > 1;
    std::vector<std::vector<float>> values;
    for (const Json& span : one["spans"]) {
      values.push_back(list<float>(span["start"]));
      values.push_back(list<float>(span["end"]));
    }
    std::vector<SpanLogits> logits;
    for (std::size_t i = 0; i < spans.size(); ++i) {
      EXPECT_EQ(spans[i].ids, list<std::int64_t>(one["spans"][i]["ids"]));
      logits.push_back({values[2 * i], values[2 * i + 1]});
    }
    const FoundAnswer answer = find_answer(tokenizer, context, spans, logits, options);
    EXPECT_EQ(answer.text, one["answer"].get<std::string>());
    EXPECT_NEAR(answer.score, one["score"], 1e-5);
    EXPECT_EQ(answer.where, (ByteRange{one["where"][0], one["where"][1]}));
  }
  EXPECT_TRUE(several);
}

TEST(FillMask, EqualsThePipeline) {
  for (const Json& one : cases_of("fillings")) {
    const Tokenizer tokenizer = tokenizer_of(one);
    const Encoding encoding = tokenizer.encode(one["text"].get<std::string>());
    const std::size_t width = one["rows"][0].size();
    std::vector<float> logits(encoding.ids.size() * width);
    std::size_t row = 0;
    for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
      if (encoding.ids[token] != tokenizer.special_token_id("mask_token")) continue;
      const auto values = list<float>(one["rows"][row++]);
      std::ranges::copy(values, logits.begin() + static_cast<std::ptrdiff_t>(token * width));
    }
    const auto fillings = fill_masks(tokenizer, encoding, logits, 4);
    ASSERT_EQ(fillings.size(), one["fillings"].size());
    for (std::size_t m = 0; m < fillings.size(); ++m) {
      ASSERT_EQ(fillings[m].size(), 4u);
      for (std::size_t i = 0; i < 4; ++i) {
        const Json& wanted = one["fillings"][m][i];
        EXPECT_EQ(fillings[m][i].token, wanted[0].get<std::int64_t>());
        EXPECT_NEAR(fillings[m][i].score, wanted[1], 1e-5);
        EXPECT_EQ(fillings[m][i].text, wanted[2].get<std::string>());
        EXPECT_EQ(fillings[m][i].sequence, wanted[3].get<std::string>());
      }
    }
  }
}

TEST(FillMask, NamesTheMissingMask) {
  const Tokenizer tokenizer = tokenizer_of({{"tokenizer", "wordpiece-uncased"}});
  const Encoding encoding = tokenizer.encode("nothing to fill");
  const std::string message =
      error_of([&] { fill_masks(tokenizer, encoding, std::vector<float>(encoding.ids.size() * 3)); });
  EXPECT_EQ(message, "there is no [MASK] in the text to fill");
}

#endif

}  // namespace
}  // namespace bantam

#include "calibrate/labels.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/calibrate/temporary_file.h"

namespace bantam {
namespace {

Dataset data_of(std::vector<Label> labels, std::vector<std::string> classes = {}) {
  Dataset data;
  data.path = "dev.tsv";
  data.classes = std::move(classes);
  for (Label& label : labels) {
    Example example;
    example.label = std::move(label);
    example.line = std::ssize(data.examples) + 1;
    data.examples.push_back(std::move(example));
  }
  return data;
}

using Ids = std::vector<std::int64_t>;
const LabelNames kSentiment{{"NEGATIVE", "POSITIVE"}, false};

TEST(LabelNames, ComeFromTheConfig) {
  EXPECT_EQ(
      label_names(
          Json::parse(R"({"id2label": {"1": "b", "0": "a", "10": "k", "2": "c", "3": "d", "4": "e", "5": "f",
      "6": "g", "7": "h", "8": "i", "9": "j"}})"))
          .names.back(),
      "k");
  EXPECT_EQ(label_names(Json::parse(R"({"label2id": {"b": 1, "a": 0}})")).names,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(label_names(Json::parse(R"({"num_labels": 3})")).names.back(), "LABEL_2");
  EXPECT_TRUE(label_names(Json::parse("{}")).generic);
  EXPECT_FALSE(label_names(Json::parse(R"({"id2label": {"0": "LABEL_1", "1": "LABEL_0"}})")).generic);
}

TEST(LabelNames, RefuseHolesAndDoubles) {
  EXPECT_NE(error_of([] { label_names(Json::parse(R"({"id2label": {"0": "a", "2": "b"}})")); }), "no error");
  EXPECT_NE(error_of([] { label_names(Json::parse(R"({"id2label": {"0": "a", "1": "a"}})")); }), "no error");
  EXPECT_NE(error_of([] { label_names(Json::parse(R"({"id2label": {"zero": "a"}})")); }), "no error");
  EXPECT_NE(error_of([] { label_names(Json::parse(R"({"num_labels": 99999999999})")); }), "no error");
}

TEST(ClassIds, MatchNamesNumbersAndNumbersAsText) {
  EXPECT_EQ(class_ids(data_of({std::string("POSITIVE"), std::string("negative"), std::string("1"),
                               std::string("0.0"), std::int64_t{1}, 0.0}),
                      kSentiment),
            (Ids{1, 0, 1, 0, 1, 0}));
  EXPECT_EQ(class_ids(data_of({std::string("pos")}), kSentiment, {{"pos", "POSITIVE"}}), Ids{1});
}

TEST(ClassIds, MatchTheNamesThatTheFileHas) {
  // Another order than the model's, as MNLI has it.
  EXPECT_EQ(class_ids(data_of({std::int64_t{0}, std::int64_t{1}}, {"positive", "negative"}), kSentiment),
            (Ids{1, 0}));
  EXPECT_EQ(class_ids(data_of({std::int64_t{0}, std::int64_t{1}}, {"pos", "neg"}), kSentiment), (Ids{0, 1}));
  EXPECT_EQ(class_ids(data_of({std::int64_t{0}}, {"pos", "neg"}), kSentiment,
                      {{"pos", "POSITIVE"}, {"neg", "NEGATIVE"}}),
            Ids{1});
}

TEST(ClassIds, RefuseWhatTheModelDoesNotHave) {
  EXPECT_EQ(error_of([] {
              class_ids(data_of({std::int64_t{0}, std::int64_t{2}}), kSentiment);
            }),
            "dev.tsv:2: label 2 where 0 to 1 were expected: the model's labels are NEGATIVE, POSITIVE");
  EXPECT_NE(error_of([] { class_ids(data_of({std::int64_t{-1}}), kSentiment); }).find("withheld"),
            std::string::npos);
  EXPECT_EQ(error_of([] { class_ids(data_of({std::string("neutral")}), kSentiment); }),
            "dev.tsv:1: label \"neutral\" is none of the model's (NEGATIVE, POSITIVE); say which it is: "
            "neutral=LABEL");
  EXPECT_NE(error_of([] { class_ids(data_of({0.5}), kSentiment); }), "no error");
  EXPECT_NE(error_of([] { class_ids(data_of({Label()}), kSentiment); }), "no error");
  EXPECT_NE(error_of([] { class_ids(data_of({}), kSentiment, {{"a", "b"}}); }), "no error");
}

TEST(Scores, AreNumbers) {
  EXPECT_EQ(scores(data_of({std::string("2.615"), std::int64_t{3}, 1.5})),
            (std::vector<double>{2.615, 3, 1.5}));
  EXPECT_EQ(error_of([] { scores(data_of({std::string("high")})); }),
            "dev.tsv:1: score \"high\" is no number");
  EXPECT_NE(error_of([] { scores(data_of({std::string("nan")})); }), "no error");
}

}  // namespace
}  // namespace bantam

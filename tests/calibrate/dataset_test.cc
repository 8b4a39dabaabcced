#include "calibrate/dataset.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "calibrate/labels.h"
#include "tests/calibrate/temporary_file.h"

namespace bantam {
namespace {

class DatasetTest : public ::testing::Test {
 protected:
  Dataset load(std::string_view name, std::string_view text, DatasetKind kind,
               const DatasetOptions& options = {}) {
    return load_dataset(write(name, text), kind, options);
  }
  std::string failure(std::string_view name, std::string_view text, DatasetKind kind,
                      const DatasetOptions& options = {}) {
    const std::string message = error_of([&] { load(name, text, kind, options); });
    // The name of the folder is not what the tests are about.
    const std::string prefix = folder_.path().string() + "/";
    return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
  }
  std::filesystem::path write(std::string_view name, std::string_view text) {
    std::filesystem::remove(folder_.path() / name);
    return folder_.write(name, text);
  }
  TemporaryFolder folder_;
};

std::string text_label(const Example& example) {
  return std::get<std::string>(example.label);
}

TEST_F(DatasetTest, ReadsTsvWithoutHeader) {
  const Dataset data = load("dev.tsv", "a fine film\t1\na \"dull\" one\t0\n\"quoted\" start\t1\n",
                            DatasetKind::kClassification);
  ASSERT_EQ(data.examples.size(), 3u);
  EXPECT_EQ(data.format, "tsv");
  EXPECT_TRUE(data.labelled);
  EXPECT_EQ(data.examples[1].text, "a \"dull\" one");
  EXPECT_EQ(data.examples[2].text, "\"quoted\" start");
  EXPECT_EQ(text_label(data.examples[2]), "1");
  EXPECT_EQ(data.examples[2].line, 3);
  EXPECT_TRUE(data.place(data.examples[2]).ends_with("dev.tsv:3"));
}

TEST_F(DatasetTest, TakesTheIntegerOfTwoColumnsForTheLabel) {
  const Dataset data = load("x.tsv", "1\tgood\n0\tbad\n", DatasetKind::kClassification);
  EXPECT_EQ(data.examples[1].text, "bad");
  EXPECT_EQ(text_label(data.examples[1]), "0");
}

TEST_F(DatasetTest, ReadsTsvWithHeaderAndOtherColumns) {
  const Dataset data = load("x.tsv", "idx\tsentence\tlabel\r\n7\tgood film\tpos\r\n8\t\tneg\r\n",
                            DatasetKind::kClassification);
  ASSERT_EQ(data.examples.size(), 2u);
  EXPECT_EQ(data.examples[0].id, "7");
  EXPECT_EQ(data.examples[0].text, "good film");
  EXPECT_EQ(text_label(data.examples[0]), "pos");
  EXPECT_EQ(data.examples[1].text, "");
}

TEST_F(DatasetTest, ReadsTsvOfWritersThatQuoteWhereTheyMust) {
  const Dataset data = load("x.tsv", "text\tlabel\n\"a\tb\"\t1\n\"say \"\"hi\"\"\"\t0\n\"open\t1\n",
                            DatasetKind::kClassification);
  EXPECT_EQ(data.examples[0].text, "a\tb");
  EXPECT_EQ(data.examples[1].text, "say \"hi\"");
  EXPECT_EQ(data.examples[2].text, "\"open");  // never closed: no quoting
  DatasetOptions raw;
  raw.quotes = Quotes::kNever;
  EXPECT_EQ(load("y.tsv", "text\tlabel\n\"say \"\"hi\"\"\"\t0\n", DatasetKind::kClassification, raw)
                .examples[0]
                .text,
            "\"say \"\"hi\"\"\"");
}

TEST_F(DatasetTest, ReadsQuotedCsvOverSeveralLines) {
  const Dataset data = load("x.csv", "sentence1,sentence2,score\n\"one,\n\"\"two\"\"\",b,4.25\n,\"\",0\n",
                            DatasetKind::kSimilarity);
  ASSERT_EQ(data.examples.size(), 2u);
  EXPECT_EQ(data.examples[0].text, "one,\n\"two\"");
  EXPECT_TRUE(data.examples[0].has_pair);
  EXPECT_EQ(data.examples[1].line, 4);
  EXPECT_EQ(scores(data), (std::vector<double>{4.25, 0}));
}

TEST_F(DatasetTest, ReadsCsvWithoutHeaderByPosition) {
  const Dataset data =
      load("x.csv", "A man dances.,\"A man, dancing.\",5.0\nOne,Two,1.5\n", DatasetKind::kSimilarity);
  EXPECT_EQ(data.examples[0].pair, "A man, dancing.");
  EXPECT_EQ(scores(data)[1], 1.5);
  const Dataset mapped = load("y.csv", "gj04,1,,Our friends\ngj04,0,*,They drank\n",
                              DatasetKind::kClassification, {.columns = {{"text", "4"}, {"label", "2"}}});
  EXPECT_EQ(mapped.examples[1].text, "They drank");
  EXPECT_EQ(text_label(mapped.examples[1]), "0");
}

TEST_F(DatasetTest, ReadsSemicolonsOfSpreadsheets) {
  const Dataset data = load("x.csv", "text;label\n\"a;b\";1\n", DatasetKind::kClassification);
  EXPECT_EQ(data.examples[0].text, "a;b");
}

TEST_F(DatasetTest, ReadsJsonl) {
  const Dataset data = load("x.jsonl",
                            "\xef\xbb\xbf{\"text\": \"gut\", \"label\": 1, \"other\": [1]}\n\n{\"label\": 0, "
                            "\"text\": \"schlecht\"}",
                            DatasetKind::kClassification);
  ASSERT_EQ(data.examples.size(), 2u);
  EXPECT_EQ(std::get<std::int64_t>(data.examples[0].label), 1);
  EXPECT_EQ(data.examples[1].line, 3);
}

TEST_F(DatasetTest, FindsPairsByTheirUsualNames) {
  for (const auto& [first, second] :
       std::vector<std::pair<std::string, std::string>>{{"sentence1", "sentence2"},
                                                        {"premise", "hypothesis"},
                                                        {"question", "sentence"},
                                                        {"question1", "question2"}}) {
    const Dataset data =
        load("x.jsonl", "{\"" + first + "\": \"a\", \"" + second + "\": \"b\", \"label\": 1}\n",
             DatasetKind::kClassification);
    EXPECT_EQ(data.examples[0].text, "a");
    EXPECT_EQ(data.examples[0].pair, "b");
  }
}

TEST_F(DatasetTest, ReadsJsonArraysAndDataObjects) {
  const std::string rows = "[{\"text\": \"a\", \"label\": \"x\"}, {\"text\": \"b\", \"label\": \"y\"}]";
  EXPECT_EQ(load("a.json", rows, DatasetKind::kClassification).examples.size(), 2u);
  const Dataset data = load("b.json", "{\"data\": " + rows + "}", DatasetKind::kClassification);
  EXPECT_TRUE(data.place(data.examples[1]).ends_with("b.json: row 2"));
}

constexpr std::string_view kSquad = R"({"version": "v2.0", "data": [{"title": "t", "paragraphs": [
  {"context": "Café Müller opened in 1978 .", "qas": [
    {"id": "q1", "question": "When?", "answers": [{"text": "1978", "answer_start": 22}, {"text": "in 1978", "answer_start": 19}]},
    {"id": "q2", "question": "Who closed it?", "answers": [], "is_impossible": true},
    {"id": "q3", "question": "Where?", "answers": [{"text": "elsewhere", "answer_start": 3}]}]}]}]})";

TEST_F(DatasetTest, ReadsSquad) {
  const Dataset data = load("dev.json", kSquad, DatasetKind::kQuestionAnswering);
  ASSERT_EQ(data.examples.size(), 3u);
  EXPECT_EQ(data.format, "squad");
  EXPECT_EQ(data.examples[0].id, "q1");
  EXPECT_EQ(data.examples[0].text, "When?");
  EXPECT_EQ(data.examples[0].answers, (std::vector<std::string>{"1978", "in 1978"}));
  EXPECT_EQ(data.examples[0].answer_starts,
            (std::vector<std::int64_t>{24, 21}));  // bytes: two letters take two
  EXPECT_TRUE(data.examples[1].has_answers);
  EXPECT_TRUE(data.examples[1].answers.empty());
  EXPECT_EQ(data.examples[2].answer_starts, (std::vector<std::int64_t>{-1}));
  EXPECT_TRUE(data.labelled);
}

TEST_F(DatasetTest, ReadsQuestionsFromRowsOfTheHub) {
  const Dataset data =
      load("x.jsonl",
           "{\"id\": \"a\", \"context\": \"c d\", \"question\": \"q\", \"answers\": {\"text\": [\"d\"], "
           "\"answer_start\": [2]}}\n"
           "{\"id\": \"b\", \"context\": \"c d\", \"question\": \"q\", \"answers\": [\"c\", \"d\"]}\n",
           DatasetKind::kQuestionAnswering);
  EXPECT_EQ(data.examples[0].answer_starts[0], 2);
  EXPECT_EQ(data.examples[1].answers.size(), 2u);
}

TEST_F(DatasetTest, ReadsConll) {
  const Dataset data =
      load("x.conll", "-DOCSTART- -X- O\n\n# comment\nEU NNP B-ORG\nrejects VBZ O\n\n\nPeter NNP B-PER\n",
           DatasetKind::kTokenClassification, {.columns = {{"words", "1"}}});
  ASSERT_EQ(data.examples.size(), 2u);
  EXPECT_EQ(data.examples[1].words, std::vector<std::string>{"Peter"});
  const Dataset tabs = load("y.conll", "Empire\tB-loc\nState building\tI-loc\n\xef\xbb\xbf\n#\tO\n",
                            DatasetKind::kTokenClassification);
  ASSERT_EQ(tabs.examples.size(), 2u);
  EXPECT_EQ(tabs.examples[0].words[1], "State building");
  EXPECT_EQ(tabs.examples[1].words[0], "#");
  EXPECT_EQ(tag_names(tabs, {})[0], (std::vector<std::string>{"B-loc", "I-loc"}));
}

TEST_F(DatasetTest, ReadsTagsByTheNamesOfTheModel) {
  const Dataset data = load("x.jsonl", "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [0, 1]}\n",
                            DatasetKind::kTokenClassification);
  const LabelNames labels{{"O", "B-x"}, false};
  EXPECT_EQ(tag_names(data, labels)[0], (std::vector<std::string>{"O", "B-x"}));
  EXPECT_NE(error_of([&] {
              tag_names(data, LabelNames{{"O"}, false});
            }).find("x.jsonl:1: tag 1"),
            std::string::npos);
}

TEST_F(DatasetTest, ReadsTrecQuestions) {
  const Dataset data =
      load("TREC.test", "NUM:dist How far is it ?\nLOC:city What city ?\n", DatasetKind::kClassification);
  EXPECT_EQ(data.format, "trec");
  EXPECT_EQ(data.examples[0].text, "How far is it ?");
  EXPECT_EQ(text_label(data.examples[0]), "NUM");
  const Dataset fine = load("TREC.test", "NUM:dist How far is it ?\n", DatasetKind::kClassification,
                            {.columns = {{"label", "fine_label"}}});
  EXPECT_EQ(text_label(fine.examples[0]), "NUM:dist");
}

TEST_F(DatasetTest, ReadsPlainTextByLineParagraphAndWhole) {
  const std::string text = "one\n\ntwo\nthree\n\n";
  EXPECT_EQ(load("x.txt", text, DatasetKind::kText).examples.size(), 3u);
  const Dataset paragraphs = load("x.txt", text, DatasetKind::kText, {.unit = TextUnit::kParagraph});
  ASSERT_EQ(paragraphs.examples.size(), 2u);
  EXPECT_EQ(paragraphs.examples[1].text, "two\nthree");
  EXPECT_EQ(paragraphs.examples[1].line, 3);
  const Dataset whole = load("x.txt", text, DatasetKind::kText, {.unit = TextUnit::kDocument});
  ASSERT_EQ(whole.examples.size(), 1u);
  EXPECT_EQ(whole.examples[0].text, text);
  EXPECT_FALSE(whole.labelled);
}

TEST_F(DatasetTest, TellsFormatsByContentWhereTheExtensionSaysNothing) {
  EXPECT_EQ(load("a", "w\tO\nv\tB-x\n", DatasetKind::kTokenClassification).format, "conll");
  EXPECT_EQ(load("b", "{\"text\": \"x\"}\n{\"text\": \"y\"}\n", DatasetKind::kText).format, "jsonl");
  EXPECT_EQ(load("c", "one\t1\ntwo\t0\n", DatasetKind::kClassification).format, "tsv");
  EXPECT_EQ(load("d", "just some, text\n", DatasetKind::kText).format, "text");
}

TEST_F(DatasetTest, DrawsTheSameSampleForTheSameSeed) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
  const auto lines = [&](std::int64_t limit, std::uint64_t seed) {
    std::vector<std::int64_t> result;
    for (const Example& example :
         load("x.txt", text, DatasetKind::kText, {.limit = limit, .seed = seed}).examples) {
      result.push_back(example.line);
    }
    return result;
  };
  const auto one = lines(50, 1);
  ASSERT_EQ(one.size(), 50u);
  EXPECT_EQ(one, lines(50, 1));
  EXPECT_NE(one, lines(50, 2));
  EXPECT_TRUE(std::ranges::is_sorted(one));
  EXPECT_EQ(std::set<std::int64_t>(one.begin(), one.end()).size(), 50u);
  EXPECT_EQ(lines(5000, 1).size(), 1000u);
  // Every line is as likely: over many seeds, each of ten lines is drawn about as often (binomial, 6 sigma).
  text = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  std::vector<int> hits(11);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    for (const std::int64_t line : lines(3, seed)) ++hits[static_cast<std::size_t>(line)];
  }
  for (std::size_t line = 1; line <= 10; ++line) EXPECT_NEAR(hits[line], 600, 6 * 20.5) << line;
}

TEST_F(DatasetTest, ReadsLatin1WhenAsked) {
  EXPECT_EQ(
      load("x.txt", "caf\xe9\n", DatasetKind::kText, {.charset = CharacterSet::kLatin1}).examples[0].text,
      "caf\xc3\xa9");
}

TEST_F(DatasetTest, NamesFileAndLineOfWhatIsBroken) {
  const auto classification = DatasetKind::kClassification;
  EXPECT_EQ(
      failure("x.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \n", classification).substr(0, 10),
      "x.jsonl:2:");
  EXPECT_EQ(failure("x.jsonl", "[1]\n", classification),
            "x.jsonl:1: a JSON array where an object was expected");
  EXPECT_EQ(failure("x.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\"}\n", classification),
            "x.jsonl:2: there is no \"label\" here");
  EXPECT_EQ(failure("x.jsonl", "{\"text\": 3, \"label\": 1}\n", classification),
            "x.jsonl:1: \"text\" is a JSON number where text was expected");
  EXPECT_EQ(failure("x.jsonl", "{\"text\": \"a\", \"label\": {}}\n", classification),
            "x.jsonl:1: \"label\" is a JSON object where a label was expected");
  EXPECT_EQ(failure("x.tsv", "text\tlabel\na\t1\nb\n", classification),
            "x.tsv:3: 1 columns where 2 were expected");
  EXPECT_EQ(failure("x.tsv", "text\ttext\na\t1\n", classification),
            "x.tsv:1: two columns have the name \"text\"");
  EXPECT_EQ(failure("x.csv", "text,label\n\"a,1\nb,2\n", classification),
            "x.csv:2: a quote is opened and never closed");
  EXPECT_EQ(failure("x.csv", "text,label\n\"a\"b,1\n", classification),
            "x.csv:2: text behind a closing quote; quotes inside of a quoted field are doubled");
  EXPECT_EQ(
      failure("x.txt", "fine\nbr\xffoken\n", DatasetKind::kText),
      "x.txt:2: byte 3 of the line is not UTF-8; if the file is in Latin-1, say so (--encoding latin1)");
  EXPECT_EQ(failure("x.conll", "word\tO\nword\n", DatasetKind::kTokenClassification),
            "x.conll:2: 1 column where a word and its tag were expected");
  EXPECT_EQ(
      failure("x.jsonl", "{\"tokens\": [\"a\"], \"tags\": [1, 2]}\n", DatasetKind::kTokenClassification),
      "x.jsonl:1: 2 tags for 1 words");
  EXPECT_EQ(failure("x.json", R"({"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "q"}]}]}]})",
                    DatasetKind::kQuestionAnswering),
            "x.json: data[0].paragraphs[0].qas[0]: \"question\" is missing");
  EXPECT_EQ(
      failure("x.json", R"({"data": [{"paragraphs": [{"qas": []}]}]})", DatasetKind::kQuestionAnswering),
      "x.json: data[0].paragraphs[0]: \"context\" is missing");
}

TEST_F(DatasetTest, SaysWhatIsMissing) {
  EXPECT_EQ(failure("x.jsonl", "{\"a\": \"b\", \"c\": 1}\n", DatasetKind::kClassification),
            "x.jsonl: no column is known to hold the text of classification data; the columns are a, c; name "
            "it: text=COLUMN");
  EXPECT_EQ(failure("x.jsonl", "{\"text\": \"b\"}\n", DatasetKind::kClassification,
                    {.columns = {{"label", "stars"}}}),
            "x.jsonl: there is no column \"stars\" to take label from; the columns are text");
  EXPECT_NE(
      failure("x.tsv", "a\tb\tc\td\n", DatasetKind::kClassification).find("4 columns without a header line"),
      std::string::npos);
  EXPECT_NE(failure("x.jsonl", "{\"text\": \"b\"}\n", DatasetKind::kText, {.columns = {{"txt", "text"}}})
                .find("no field \"txt\""),
            std::string::npos);
  EXPECT_NE(failure("x.jsonl", "{\"text\": \"b\"}\n", DatasetKind::kText, {.format = "xml"})
                .find("the formats are parquet, squad"),
            std::string::npos);
  EXPECT_NE(failure("x.jsonl", "{\"text\": \"b\"}\n", DatasetKind::kClassification, {.labels_required = true})
                .find("no labels"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              load_dataset(folder_.path() / "absent.jsonl", DatasetKind::kText);
            }).find("absent.jsonl"),
            std::string::npos);
}

TEST_F(DatasetTest, RefusesEmptyAndHalfLabelledData) {
  EXPECT_EQ(failure("x.jsonl", "\n\n", DatasetKind::kText), "x.jsonl: there is no example in this file");
  EXPECT_EQ(failure("x.txt", "", DatasetKind::kText), "x.txt: there is no example in this file");
  EXPECT_EQ(failure("x.csv", "text,label\n", DatasetKind::kClassification),
            "x.csv: there is no example in this file");
  EXPECT_EQ(failure("x.csv", "", DatasetKind::kClassification), "x.csv: there is no example in this file");
  EXPECT_EQ(failure("x.json", "{\"data\": []}", DatasetKind::kQuestionAnswering),
            "x.json: there is no example in this file");
  EXPECT_EQ(failure("x.csv", "text,label\na,1\nb,\n", DatasetKind::kClassification).substr(0, 31),
            "x.csv:3: no label here, but the");
  const Dataset unlabelled = load("x.jsonl", "{\"text\": \"b\"}\n", DatasetKind::kClassification);
  EXPECT_FALSE(unlabelled.labelled);
}

// Broken files of every text format: examples or an Error that begins with the file, never a crash.
TEST_F(DatasetTest, SurvivesDamagedFiles) {
  const std::vector<std::tuple<const char*, std::string, DatasetKind>> files = {
      {"x.json", std::string(kSquad), DatasetKind::kQuestionAnswering},
      {"x.jsonl", "{\"text\": \"gut\", \"label\": 1}\n{\"text\": \"nö\", \"label\": 0}\n",
       DatasetKind::kClassification},
      {"x.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [0, \"B-x\"]}\n",
       DatasetKind::kTokenClassification},
      {"x.csv", "sentence1,sentence2,score\n\"one,\n\"\"two\"\"\",b,4.25\n,\"\",0\n",
       DatasetKind::kSimilarity},
      {"x.tsv", "text\tlabel\n\"a\tb\"\t1\n\"say \"\"hi\"\"\"\t0\n", DatasetKind::kClassification},
      {"x.conll", "-DOCSTART- O\n\nEU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n",
       DatasetKind::kTokenClassification},
      {"TREC", "NUM:dist How far is it ?\nLOC:city What city ?\n", DatasetKind::kClassification},
  };
  std::mt19937 random(3);
  int refused = 0;
  for (const auto& [name, whole, kind] : files) {
    for (int round = 0; round < 200; ++round) {
      std::string damaged = whole;
      for (int hits = 0; hits < 1 + round % 3; ++hits) {
        const std::size_t at = random() % damaged.size();
        switch (random() % 4) {
          case 0:
            damaged[at] = static_cast<char>(random());
            break;
          case 1:
            damaged.erase(at, 1 + random() % 9);
            break;
          case 2:
            damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 20));
            break;
          default:
            damaged[at] = "\t\n\r\",:[]{} \0"[random() % 12];
            break;
        }
        if (damaged.empty()) damaged = " ";
      }
      const std::filesystem::path path = write(name, damaged);
      try {
        load_dataset(path, kind);
      } catch (const Error& error) {
        ++refused;
        EXPECT_TRUE(error.message().starts_with(path.string())) << error.message();
      }
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace bantam

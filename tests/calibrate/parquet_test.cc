#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "calibrate/dataset.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/labels.h"
#include "tests/calibrate/temporary_file.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

#if BANTAM_HAS_PARQUET

const fs::path kFolder = fs::path(BANTAM_TESTDATA) / "parquet";

std::vector<Json> rows_of(const fs::path& path, const Format& format) {
  const RecordReaderPtr reader = format.open(path, {});
  std::vector<Json> rows;
  Json row;
  while (reader->next(row) != 0) rows.push_back(row);
  return rows;
}

// The rows that pyarrow wrote, beside each file as JSON lines.
TEST(Parquet, ReadsTheRowsThatWereWritten) {
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".parquet") continue;
    ++files;
    SCOPED_TRACE(entry.path().filename().string());
    const std::vector<Json> rows = rows_of(entry.path(), kParquetFormat);
    const std::vector<Json> expected =
        rows_of(fs::path(entry.path()).replace_extension(".jsonl"), kJsonlFormat);
    ASSERT_EQ(rows.size(), expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(rows[i].size(), expected[i].size());
      for (const auto& [key, value] : expected[i].items()) {
        if (value.is_number_float()) {
          EXPECT_DOUBLE_EQ(rows[i].at(key).get<double>(), value.get<double>()) << key;
        } else {
          EXPECT_EQ(rows[i].at(key), value) << key;
        }
      }
    }
  }
  EXPECT_EQ(files, 7);
}

TEST(Parquet, GivesTheNamesOfClasses) {
  const LabelNames labels{{"POS", "NEG"}, false};
  const Dataset data = load_dataset(kFolder / "sentences-snappy.parquet", DatasetKind::kClassification);
  EXPECT_EQ(data.classes, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_EQ(data.examples.size(), 40u);
  EXPECT_TRUE(data.place(data.examples[2]).ends_with("sentences-snappy.parquet: row 3"));
  EXPECT_EQ(class_ids(data, labels)[0], 1);  // "neg" is the second class of this model

  const Dataset entities = load_dataset(kFolder / "entities.parquet", DatasetKind::kTokenClassification);
  EXPECT_EQ(tag_names(entities, labels)[2], (std::vector<std::string>{"B-PER", "I-PER", "O"}));
}

TEST(Parquet, ReadsAnswersAndSamples) {
  const Dataset data =
      load_dataset(kFolder / "questions.parquet", DatasetKind::kQuestionAnswering, {.limit = 4, .seed = 3});
  EXPECT_EQ(data.rows, 9);
  ASSERT_EQ(data.examples.size(), 4u);
  for (const Example& example : data.examples) {
    for (std::size_t i = 0; i < example.answers.size(); ++i) {
      EXPECT_EQ(
          example.pair.substr(static_cast<std::size_t>(example.answer_starts[i]), example.answers[i].size()),
          example.answers[i]);
    }
  }
}

// Broken files: an error or rows, never a crash. (The parser is the crate's; its panics must arrive as
// errors.)
TEST(Parquet, SurvivesDamagedFiles) {
  const TemporaryFolder folder;
  std::mt19937 random(5);
  int failed = 0;
  for (const char* name :
       {"sentences-snappy.parquet", "questions.parquet", "entities.parquet", "sentences-zstd.parquet"}) {
    const std::string whole = read_text_file(kFolder / name, 1 << 20);
    for (int round = 0; round < 120; ++round) {
      std::string damaged = whole;
      const std::size_t from =
          round % 2 == 0 ? 0 : whole.size() * 2 / 3;  // the footer is where the structure is
      for (int hits = 0; hits < 1 + round % 5; ++hits)
        damaged[from + random() % (whole.size() - from)] = static_cast<char>(random());
      if (round % 10 == 9) damaged.resize(random() % whole.size());
      const fs::path path = folder.path() / std::to_string(round);
      write_text_file(path, damaged);
      try {
        rows_of(path, kParquetFormat);
      } catch (const Error& error) {
        ++failed;
        EXPECT_TRUE(error.message().starts_with(path.string())) << error.message();
      }
      fs::remove(path);
    }
  }
  EXPECT_GT(failed, 100);
}

#else

TEST(ParquetLeftOut, SaysSo) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("x.parquet", "PAR1");
  EXPECT_NE(error_of([&] { load_dataset(path, DatasetKind::kText); }).find("this build reads no Parquet"),
            std::string::npos);
}

#endif

}  // namespace
}  // namespace bantam

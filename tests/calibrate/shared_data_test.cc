// Real data sets, where they are at hand (BANTAM_SHARED, else ../shared beside the repository).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "calibrate/dataset.h"
#include "calibrate/labels.h"
#include "tests/calibrate/temporary_file.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

class SharedData : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("BANTAM_SHARED");
    folder_ = fs::path(shared != nullptr ? shared : BANTAM_SOURCE_DIR "/../shared") / "data";
    if (!fs::is_directory(folder_))
      GTEST_SKIP() << "left out: real data sets (" << folder_.string() << " is not there)";
  }
  Dataset load(const char* file, DatasetKind kind, const DatasetOptions& options = {}) const {
    return load_dataset(folder_ / file, kind, options);
  }
  fs::path folder_;
};

const LabelNames kSentiment{{"NEGATIVE", "POSITIVE"}, false};

TEST_F(SharedData, Sst2) {
  for (const auto& [file, count, positive] :
       {std::tuple{"sst2/dev.tsv", 872, 444}, {"sst2/test.tsv", 1821, 909}}) {
    const Dataset data = load(file, DatasetKind::kClassification);
    EXPECT_EQ(data.examples.size(), static_cast<std::size_t>(count));
    const auto ids = class_ids(data, kSentiment);
    EXPECT_EQ(std::accumulate(ids.begin(), ids.end(), 0), positive);
  }
#if BANTAM_HAS_PARQUET
  const Dataset data = load("sst2/SST-2-val.parquet", DatasetKind::kClassification);
  EXPECT_EQ(data.examples.size(), 872u);
  const auto ids = class_ids(data, kSentiment);
  EXPECT_EQ(std::accumulate(ids.begin(), ids.end(), 0), 444);
#endif
}

TEST_F(SharedData, Stsb) {
  const Dataset data = load("stsb/stsb-en-dev.csv", DatasetKind::kSimilarity);
  EXPECT_EQ(data.examples.size(), 1500u);
  const auto values = scores(data);
  EXPECT_EQ(*std::ranges::max_element(values), 5.0);
  EXPECT_EQ(data.examples[1].pair, "A child is riding a horse.");
}

TEST_F(SharedData, Trec) {
  EXPECT_EQ(load("trec6/TREC.test", DatasetKind::kClassification).examples.size(), 500u);
  EXPECT_NE(
      error_of([&] { load("trec6/TREC.train", DatasetKind::kClassification); }).find("TREC.train:66: byte"),
      std::string::npos);
  const Dataset train =
      load("trec6/TREC.train", DatasetKind::kClassification, {.charset = CharacterSet::kLatin1});
  EXPECT_EQ(train.examples.size(), 5452u);
}

TEST_F(SharedData, Wnut17) {
  const Dataset dev = load("wnut17/emerging.dev.conll", DatasetKind::kTokenClassification);
  EXPECT_EQ(dev.examples.size(), 1009u);
  const Dataset test = load("wnut17/emerging.test.annotated", DatasetKind::kTokenClassification);
  EXPECT_EQ(test.format, "conll");
  EXPECT_EQ(test.examples.size(), 1287u);
}

TEST_F(SharedData, Xquad) {
  const Dataset data = load("squad-xquad-en/xquad.en.json", DatasetKind::kQuestionAnswering);
  EXPECT_EQ(data.examples.size(), 1190u);
  for (const Example& example : data.examples) {
    for (const std::int64_t start : example.answer_starts) EXPECT_GE(start, 0) << data.place(example);
  }
}

TEST_F(SharedData, PlainText) {
  EXPECT_EQ(load("wikitext2/valid.txt", DatasetKind::kText, {.unit = TextUnit::kDocument}).examples.size(),
            1u);
  EXPECT_GT(load("pycode-text/eval.txt", DatasetKind::kText).examples.size(), 5000u);
}

}  // namespace
}  // namespace bantam

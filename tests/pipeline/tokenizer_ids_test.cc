// What the made tokenizers do, by the tokenizer that calibration and evaluation run. Builds without it
// (BANTAM_TOKENIZERS=OFF) have tests/oracle/tokenizer_files.py, which compares the same records in Python.
#include <gtest/gtest.h>

#include "calibrate/tokenizer.h"
#include "tests/pipeline/collected.h"

#if BANTAM_HAS_TOKENIZERS
namespace bantam::test {
namespace {

namespace fs = std::filesystem;

// Records of transformers: [{"text", "text_pair", "ids" or "input_ids", "type_ids"}]. Gives their number.
int compare(const fs::path& folder, const fs::path& records) {
  const Collected made(folder);
  const Tokenizer tokenizer =
      Tokenizer::from_json(made.text("tokenizer.json"), made.text("tokenizer_config.json"));
  EXPECT_TRUE(tokenizer.max_length().has_value());
  int count = 0;
  for (const auto& row : nlohmann::json::parse(read_text_file(records, 1 << 20))) {
    const auto text = row["text"].get<std::string>();
    const bool pair = !row["text_pair"].is_null();
    const Encoding encoding =
        pair ? tokenizer.encode_pair(text, row["text_pair"].get<std::string>()) : tokenizer.encode(text);
    const auto ids = row[row.contains("ids") ? "ids" : "input_ids"].get<std::vector<std::int64_t>>();
    EXPECT_EQ(encoding.ids, ids) << row["text"];
    if (row.contains("type_ids")) {
      EXPECT_EQ(encoding.type_ids, row["type_ids"].get<std::vector<std::int64_t>>()) << row["text"];
    }
    ++count;
  }
  return count;
}

TEST(TokenizerIds, AreThoseOfTransformers) {
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(BANTAM_TESTDATA "/vocabularies")) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename());
    EXPECT_GT(compare(entry.path(), entry.path() / "encoded.json"), 80);
    ++folders;
  }
  EXPECT_EQ(folders, 17);
}

TEST(TokenizerIds, AreThoseOfTransformersForTheFixtures) {
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(BANTAM_TESTDATA "/fixtures")) {
    if (!fs::exists(entry.path() / "vocab.txt")) continue;
    SCOPED_TRACE(entry.path().filename());
    EXPECT_GT(compare(entry.path(), entry.path() / "tokenized.json"), 4);
    ++folders;
  }
  EXPECT_GE(folders, 5);
}

}  // namespace
}  // namespace bantam::test
#endif

#include "convert/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

using test::error_of;
using test::has_parts;
using test::safetensors_bytes;
using test::safetensors_of;
using test::TempFolder;

constexpr const char* kConfig = R"({"model_type":"bert","architectures":["BertModel"]})";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::string open_error(const TempFolder& folder) {
  const std::string message = error_of([&] { open_checkpoint(folder.string()); });
  EXPECT_TRUE(message.starts_with(folder.string())) << message;
  EXPECT_EQ(message.find('\n'), message.npos) << message;
  return message;
}

std::string index_of(std::initializer_list<std::pair<const char*, const char*>> entries) {
  nlohmann::json map = nlohmann::json::object();
  for (const auto& [tensor, shard] : entries) map[tensor] = shard;
  return nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump();
}

// "a" and "b" in the first shard, "c" in the second, and an index that says so.
void write_sharded(const TempFolder& folder) {
  folder.write("config.json", kConfig);
  folder.write(kFirst, safetensors_of({{"a", {1}, {1}}, {"b", {2}, {2, 3}}}));
  folder.write(kSecond, safetensors_of({{"c", {1}, {4}}}));
  folder.write(kIndex, index_of({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}}));
}

TEST(Checkpoint, OpensASingleFile) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model.safetensors", safetensors_of({{"a", {2}, {1, 2}}, {"b", {}, {3}}}));
  const Checkpoint checkpoint = open_checkpoint(folder.string() + "/");
  EXPECT_EQ(checkpoint.source, folder.string() + "/");
  EXPECT_EQ(checkpoint.config.model_type(), "bert");
  ASSERT_EQ(checkpoint.tensors.size(), 2U);
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("b")), std::vector<float>{3});
  ASSERT_EQ(checkpoint.files.size(), 1U);
  EXPECT_EQ(checkpoint.files[0].name, "model.safetensors");
  EXPECT_EQ(checkpoint.files[0].bytes,
            static_cast<std::int64_t>(fs::file_size(folder / "model.safetensors")));
  EXPECT_EQ(checkpoint.files[0].sha256, "");
  EXPECT_TRUE(checkpoint.notes.empty());
}

TEST(Checkpoint, OpensShards) {
  const TempFolder folder;
  write_sharded(folder);
  const Checkpoint checkpoint = open_checkpoint(folder.string());
  ASSERT_EQ(checkpoint.tensors.size(), 3U);
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("b")), (std::vector<float>{2, 3}));
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("c")), std::vector<float>{4});
  ASSERT_EQ(checkpoint.files.size(), 2U);
  EXPECT_EQ(checkpoint.files[0].name, kFirst);
  EXPECT_EQ(checkpoint.files[1].name, kSecond);
}

TEST(Checkpoint, TakesTheSingleFileWhereBothFormsAreThereAndSaysSo) {
  const TempFolder folder;
  write_sharded(folder);
  folder.write("model.safetensors", safetensors_of({{"single", {1}, {1}}}));
  const Checkpoint checkpoint = open_checkpoint(folder.string());
  EXPECT_TRUE(checkpoint.tensors.contains("single"));
  EXPECT_EQ(checkpoint.tensors.size(), 1U);
  ASSERT_EQ(checkpoint.notes.size(), 1U);
  EXPECT_TRUE(has_parts(checkpoint.notes[0], {kIndex, "passed over"}));
}

TEST(Checkpoint, RefusesAMissingShard) {
  const TempFolder folder;
  write_sharded(folder);
  fs::remove(folder / kSecond);
  EXPECT_TRUE(has_parts(open_error(folder), {"1 of 2 shards", kSecond, "download"}));
}

TEST(Checkpoint, RefusesAShardThatTheIndexDoesNotName) {
  const TempFolder folder;
  write_sharded(folder);
  folder.write("model-00003-of-00003.safetensors", safetensors_of({{"d", {1}, {4}}}));
  EXPECT_TRUE(has_parts(open_error(folder), {kIndex, "does not know", "model-00003-of-00003.safetensors"}));
}

TEST(Checkpoint, RefusesATensorThatTheIndexDoesNotName) {
  const TempFolder folder;
  write_sharded(folder);
  folder.write(kIndex, index_of({{"a", kFirst}, {"c", kSecond}}));
  EXPECT_TRUE(has_parts(open_error(folder), {kFirst, "holds b, which", kIndex}));
}

TEST(Checkpoint, RefusesATensorThatIsNotInItsShard) {
  const TempFolder folder;
  write_sharded(folder);
  folder.write(kIndex, index_of({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}, {"d", kSecond}}));
  EXPECT_TRUE(has_parts(open_error(folder), {kIndex, "places \"d\" in", kSecond, "does not hold it"}));
}

TEST(Checkpoint, RefusesATensorInAnotherShardThanTheIndexSays) {
  const TempFolder folder;
  write_sharded(folder);
  folder.write(kIndex, index_of({{"a", kFirst}, {"b", kSecond}, {"c", kSecond}}));
  EXPECT_TRUE(has_parts(open_error(folder), {kFirst, "holds b, which", "places in", kSecond}));
}

TEST(Checkpoint, RefusesATensorInTwoShards) {
  const TempFolder folder;
  write_sharded(folder);
  folder.write(kSecond, safetensors_of({{"c", {1}, {4}}, {"a", {1}, {1}}}));
  EXPECT_TRUE(has_parts(open_error(folder), {kSecond, "holds a, which", "places in", kFirst}));
}

TEST(Checkpoint, RefusesShardNamesThatLeaveTheFolder) {
  const TempFolder outside;
  outside.write("model.safetensors", safetensors_of({{"a", {1}, {1}}}));
  for (const std::string& name :
       {std::string("../other/model.safetensors"), outside.string() + "/model.safetensors",
        std::string("sub/model.safetensors"), std::string(".."), std::string(""),
        std::string("a\\b.safetensors"), std::string("a\nb.safetensors")}) {
    const TempFolder folder;
    folder.write("config.json", kConfig);
    folder.write("sub/model.safetensors", safetensors_of({{"a", {1}, {1}}}));
    folder.write(kIndex, index_of({{"a", name.c_str()}}));
    EXPECT_TRUE(has_parts(open_error(folder), {kIndex, "\"a\"", "not a plain file name"})) << name;
  }
}

TEST(Checkpoint, RefusesAnIndexThatIsNotOne) {
  const TempFolder folder;
  write_sharded(folder);
  const std::pair<const char*, const char*> cases[] = {
      {"", "not valid JSON"},
      {"[]", "has no weight_map"},
      {"{}", "has no weight_map"},
      {R"({"weight_map":[]})", "weight_map: a map"},
      {R"({"weight_map":{}})", "weight_map: a map"},
      {R"({"weight_map":null})", "weight_map: a map"},
      {R"({"weight_map":{"a":1}})", "\"a\": a file name"},
      {R"({"weight_map":{"a":["x"]}})", "\"a\": a file name"},
      {R"({"weight_map":{"a":"pytorch_model-00001-of-00002.bin"}})", "not a .safetensors file"},
      {R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})", "duplicate JSON key \"a\""},
      {R"({"weight_map":{"a":"x.safetensors"}} trailing)", "not valid JSON"},
      {"version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer"},
  };
  for (const auto& [text, part] : cases) {
    folder.write(kIndex, text);
    EXPECT_TRUE(has_parts(open_error(folder), {kIndex, part})) << text;
  }
}

TEST(Checkpoint, RefusesADamagedShardByItsName) {
  const TempFolder folder;
  write_sharded(folder);
  fs::resize_file(folder / kSecond, fs::file_size(folder / kSecond) - 1);
  EXPECT_TRUE(has_parts(open_error(folder), {kSecond, "truncated"}));
  folder.write(kSecond, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_TRUE(has_parts(open_error(folder), {kSecond, "Git-LFS"}));
}

TEST(Checkpoint, SaysWhatAFolderWithoutWeightsHolds) {
  const TempFolder folder;
  EXPECT_TRUE(has_parts(open_error(folder), {"has no config.json"}));
  std::filesystem::create_directory(folder / "0_Transformer");
  EXPECT_TRUE(has_parts(open_error(folder), {"has no config.json", folder.string() + "/0_Transformer"}));
  std::filesystem::remove(folder / "0_Transformer");
  folder.write("config.json", kConfig);
  EXPECT_TRUE(has_parts(open_error(folder), {"no weights", "model.safetensors", "it holds \"config.json\""}));
  folder.write("adapter_model.safetensors", "x");
  EXPECT_TRUE(has_parts(open_error(folder), {"LoRA adapter"}));
  folder.write("pytorch_model.bin", "x");
  EXPECT_TRUE(has_parts(open_error(folder), {"pytorch_model.bin", "not weights"}));
  folder.write(kFirst, safetensors_of({}));
  EXPECT_TRUE(has_parts(open_error(folder), {kFirst, "but no", kIndex}));
}

TEST(Checkpoint, CutsLongListsOfFilesAndEscapesTheirNames) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  for (int i = 10; i < 60; ++i) folder.write("file" + std::to_string(i), "");
  folder.write("a\x1b[31m\n", "");
  const std::string message = open_error(folder);
  EXPECT_TRUE(has_parts(message, {"\"a\\x1b[31m\\x0a\"", "\"file10\"", "and 42 more"}));
  EXPECT_EQ(message.find('\x1b'), message.npos);
}

TEST(Checkpoint, RefusesAFileAsSourceAndSaysWhichFolderToGive) {
  const TempFolder folder;
  const auto path = folder.write("model.safetensors", safetensors_of({}));
  EXPECT_TRUE(has_parts(error_of([&] { open_checkpoint(path.string()); }), {"is a file", folder.string()}));
  EXPECT_TRUE(has_parts(error_of([] { open_checkpoint(""); }), {"no source"}));
  EXPECT_TRUE(has_parts(error_of([&] { open_checkpoint((folder / "no/such/folder").string()); }),
                        {"no/such/folder", "No such file or directory"}));
}

TEST(Checkpoint, FollowsLinksAndNamesBrokenOnes) {
  const TempFolder store;
  const TempFolder folder;
  store.write("weights", safetensors_of({{"a", {1}, {5}}}));
  store.write("config", kConfig);
  fs::create_symlink(store / "weights", folder / "model.safetensors");
  fs::create_symlink(store / "config", folder / "config.json");
  EXPECT_EQ(read_all_as_float(*open_checkpoint(folder.string()).tensors.at("a")), std::vector<float>{5});
  fs::remove(store / "weights");
  EXPECT_TRUE(
      has_parts(open_error(folder), {"model.safetensors", "is a link to", "weights", "does not exist"}));
  fs::remove(store / "config");
  EXPECT_TRUE(has_parts(open_error(folder), {"config.json", "is a link to"}));
}

TEST(Checkpoint, RefusesWeightsOfOtherFrameworks) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model.safetensors", safetensors_bytes(R"({"__metadata__":{"format":"tf"}})", ""));
  EXPECT_TRUE(has_parts(open_error(folder), {"model.safetensors", "TensorFlow"}));
  folder.write("model.safetensors", safetensors_bytes(R"({"__metadata__":{"format":"flax"}})", ""));
  EXPECT_TRUE(has_parts(open_error(folder), {"model.safetensors", "Flax"}));
}

// Every committed fixture was saved by transformers itself.
TEST(Checkpoint, OpensEveryFixtureAsTransformersSavedIt) {
  int opened = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(BANTAM_TESTDATA) / "fixtures")) {
    if (!entry.is_directory()) continue;
    const Checkpoint checkpoint = open_checkpoint(entry.path().string());
    EXPECT_FALSE(checkpoint.tensors.empty()) << entry.path();
    ++opened;
  }
  EXPECT_GT(opened, 50);
}

}  // namespace
}  // namespace bantam

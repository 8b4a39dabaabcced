#include "pipeline/source_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/pipeline/collected.h"

namespace bantam::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const TempFolder& folder, std::vector<std::string>* notes = nullptr) {
  std::vector<std::string> ignored;
  std::vector<std::string> names;
  for (const auto& [name, path] : find_small_files(folder.path(), notes == nullptr ? ignored : *notes)) {
    EXPECT_TRUE(fs::exists(path)) << path;
    names.push_back(name);
  }
  return names;
}

TEST(SourceFiles, LeaveWeightsAndLeftoversBehind) {
  const TempFolder folder;
  for (const char* name : {"model.safetensors",
                           "pytorch_model.bin",
                           "tf_model.h5",
                           "flax_model.msgpack",
                           "model.onnx",
                           "model.gguf",
                           "a.pt",
                           "a.pth",
                           "a.ckpt",
                           "rust_model.ot",
                           "optimizer.pt",
                           "scheduler.pt",
                           "rng_state.pth",
                           "training_args.bin",
                           "training_args.json",
                           "trainer_state.json",
                           "all_results.json",
                           "eval_results.json",
                           "model.safetensors.index.json",
                           "pytorch_model.bin.index.json",
                           ".gitattributes",
                           ".git/config",
                           ".cache/x.json",
                           "onnx/model.onnx",
                           "onnx/config.json",
                           "runs/Jan01/events.out.tfevents.1",
                           "checkpoint-500/config.json",
                           "checkpoint-500/trainer_state.json",
                           "config.json",
                           "bantam.json",
                           "SHA256SUMS",
                           "tensor-cache.json",
                           "tensor-cache_q4.json",
                           "ndarray-cache.json",
                           "ort_config.json",
                           "weights.model",
                           "model.mlmodel",
                           "image.png",
                           "code.py",
                           "SOURCE_README.md"}) {
    folder.write(name, "{}");
  }
  EXPECT_TRUE(names_in(folder).empty());
}

TEST(SourceFiles, TakeTokenizersProcessorsAndLicences) {
  const TempFolder folder;
  std::vector<std::string> expected = {
      "1_Pooling/config.json",
      "2_Dense/config.json",
      "COPYING",
      "LICENSE",
      "LICENSE-MIT",
      "LICENSE.txt",
      "NOTICE",
      "README.md",
      "added_tokens.json",
      "additional_chat_templates/rag.jinja",
      "chat_template.jinja",
      "config_sentence_transformers.json",
      "generation_config.json",
      "labels.json",
      "merges.txt",
      "modules.json",
      "preprocessor_config.json",
      "processor_config.json",
      "sentencepiece.bpe.model",
      "source.spm",
      "special_tokens_map.json",
      "spiece.model",
      "tokenizer.json",
      "tokenizer.model",
      "tokenizer_config.json",
      "vocab.json",
      "vocab.txt",
  };
  for (const std::string& name : expected) folder.write(name, "{}");
  folder.write(
      "modules.json",
      R"([{"path": "", "type": "T"}, {"path": "1_Pooling"}, {"path": "2_Dense"}, {"path": "3_Normalize"}, 5])");
  folder.write("3_Other/config.json", "{}");
  folder.write("2_Dense/model.safetensors", "x");
  EXPECT_EQ(names_in(folder), expected);
}

TEST(SourceFiles, KeepTheSourcesReadmeUnderAnotherName) {
  const TempFolder folder;
  write_bert(folder);
  folder.write("README.md", "of the source");
  folder.write("SOURCE_README.md", "of an earlier bundle");
  const Collected made(folder.path());
  EXPECT_FALSE(made.has("README.md"));
  EXPECT_EQ(made.text("SOURCE_README.md"), "of the source");
}

TEST(SourceFiles, PassOverLinksOutOfTheCheckpoint) {
  const TempFolder elsewhere;
  elsewhere.write("secret", "[UNK]\nsecret\n");
  const TempFolder folder;
  write_bert(folder);
  fs::remove(folder / "vocab.txt");
  fs::create_symlink(elsewhere / "secret", folder / "vocab.txt");
  fs::create_symlink("../" + elsewhere.path().filename().string() + "/secret", folder / "NOTICE");
  fs::create_symlink(elsewhere.path(), folder / "1_Pooling");
  elsewhere.write("config.json", "{}");
  folder.write("modules.json", R"([{"path": "1_Pooling"}])");
  fs::create_symlink(folder / "config.json", folder / "labels.json");  // stays inside
  fs::create_symlink(folder / "nothing", folder / "merges.txt");
  const Collected made(folder.path());
  EXPECT_EQ(made.names(), (std::vector<std::string>{"labels.json", "modules.json"}));
  EXPECT_TRUE(made.noted("vocab.txt: passed over: a link out of the checkpoint"));
  EXPECT_TRUE(made.noted("NOTICE: passed over"));
  EXPECT_TRUE(made.noted("1_Pooling/config.json: passed over"));
  EXPECT_TRUE(made.noted("merges.txt: passed over: a link to nothing"));
}

TEST(SourceFiles, FollowTheHubCachesLinksIntoItsBlobs) {
  const TempFolder cache;
  cache.write("models--org--name/blobs/0123", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  cache.write("models--org--name/blobs/4567", R"({"model_type": "bert"})");
  cache.write("secret", "x");
  const fs::path snapshot = cache / "models--org--name/snapshots/c0ffee";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/0123", snapshot / "vocab.txt");
  fs::create_symlink("../../blobs/4567", snapshot / "config.json");
  fs::create_symlink("../../../secret", snapshot / "NOTICE");
  const Collected made(snapshot);
  EXPECT_TRUE(made.copied("vocab.txt"));
  EXPECT_TRUE(made.has("tokenizer.json"));
  EXPECT_FALSE(made.has("NOTICE"));

  // A folder that only looks like the cache: its "blobs" is a link to somewhere else.
  const TempFolder false_cache;
  fs::create_directories(false_cache / "snapshots/c0ffee");
  fs::create_symlink(cache.path(), false_cache / "blobs");
  false_cache.write("snapshots/c0ffee/config.json", R"({"model_type": "bert"})");
  fs::create_symlink("../../blobs/secret", false_cache / "snapshots/c0ffee/NOTICE");
  EXPECT_FALSE(Collected(false_cache / "snapshots/c0ffee").has("NOTICE"));
}

TEST(SourceFiles, PassOverNamesThatNoUrlCarries) {
  const TempFolder folder;
  for (const char* name : {"a\nb.json", "a?.json", "a#.txt", "a%2e.txt", "a\\b.txt", "-rf.txt", " a.txt",
                           "a\xff.md", "a;b.json", "a\x1b[2J.txt"}) {
    folder.write(name, "{}");
  }
  folder.write("a (1) b+c@d=e,f~.json", "{}");
  std::vector<std::string> notes;
  EXPECT_EQ(names_in(folder, &notes), (std::vector<std::string>{"a (1) b+c@d=e,f~.json"}));
  EXPECT_EQ(notes.size(), 10u);
  for (const std::string& note : notes) {
    for (const char c : note) EXPECT_GE(static_cast<unsigned char>(c), 0x20u) << note;
  }
}

TEST(SourceFiles, PassOverWhatIsNoFileOrTooLarge) {
  const TempFolder folder;
  fs::create_directory(folder / "tokenizer.json");
  ASSERT_EQ(::mkfifo((folder / "vocab.txt").c_str(), 0600), 0);
  folder.write("spiece.model", "");
  fs::resize_file(folder / "spiece.model", (std::uintmax_t{64} << 20) + 1);
  std::vector<std::string> notes;
  EXPECT_TRUE(names_in(folder, &notes).empty());
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_TRUE(has_parts(notes[0], {"spiece.model", "67108865 bytes"}));
  EXPECT_TRUE(has_parts(notes[1], {"vocab.txt", "not a regular file"}));
}

TEST(SourceFiles, RefuseAFolderThatIsNoCheckpoint) {
  const TempFolder folder;
  for (int i = 0; i < 1001; ++i) folder.write(std::to_string(i) + ".txt", "");
  EXPECT_TRUE(has_parts(error_of([&] { names_in(folder); }), {"more than 1000 small files"}));
}

TEST(SourceFiles, KeepModulesInsideTheFolder) {
  const TempFolder folder;
  folder.write("modules.json",
               R"([{"path": "../x"}, {"path": "/etc"}, {"path": "a/../.."}, {"path": ".."}])");
  std::vector<std::string> notes;
  EXPECT_EQ(names_in(folder, &notes), (std::vector<std::string>{"modules.json"}));
  EXPECT_EQ(notes.size(), 4u);
  folder.write("modules.json", "{}");
  EXPECT_TRUE(has_parts(error_of([&] { names_in(folder); }), {"modules.json", "list"}));
}

}  // namespace
}  // namespace bantam::test

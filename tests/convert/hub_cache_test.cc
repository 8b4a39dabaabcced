#include "convert/hub_cache.h"

#include <gtest/gtest.h>

#include "convert/checkpoint.h"
#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

using test::error_of;
using test::has_parts;
using test::safetensors_of;
using test::ScopedEnvironment;
using test::TempFolder;

const std::string kCommit(40, 'a');
const std::string kOther(40, 'b');
const std::string kBlob(64, '7');

// No variable that names a cache is set, but for those that the test sets itself.
struct NoCache {
  ScopedEnvironment hub{"HF_HUB_CACHE", {}};
  ScopedEnvironment old{"HUGGINGFACE_HUB_CACHE", {}};
  ScopedEnvironment home{"HF_HOME", {}};
  ScopedEnvironment xdg{"XDG_CACHE_HOME", {}};
};

// One model as huggingface_hub lays it out: blobs, and snapshots of links to them.
void write_model(const fs::path& cache, const std::string& folder, const std::string& commit, float value) {
  const fs::path model = cache / folder;
  for (const char* part : {"blobs", "refs"}) fs::create_directories(model / part);
  fs::create_directories(model / "snapshots" / commit);
  const auto write = [&](const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  };
  write(model / "refs/main", commit);
  write(model / "blobs" / kBlob, safetensors_of({{"a", {1}, {value}}}));
  write(model / "blobs/0123456789012345678901234567890123456789", R"({"model_type":"bert"})");
  const auto link = [&](const std::string& blob, const char* name) {
    fs::remove(model / "snapshots" / commit / name);
    fs::create_symlink("../../blobs/" + blob, model / "snapshots" / commit / name);
  };
  link(kBlob, "model.safetensors");
  link("0123456789012345678901234567890123456789", "config.json");
}

TEST(HubId, IsNameOrOrgAndNameWithAnOptionalRevision) {
  EXPECT_EQ(parse_hub_id("gpt2")->repository, "gpt2");
  EXPECT_EQ(parse_hub_id("gpt2")->revision, "main");
  EXPECT_EQ(parse_hub_id("google-bert/bert_base.v1")->repository, "google-bert/bert_base.v1");
  EXPECT_EQ(parse_hub_id("a/b@refs/pr/1")->revision, "refs/pr/1");
  EXPECT_EQ(parse_hub_id("a/b@v1.0")->repository, "a/b");
  for (const char* text : {"",       "/",      "a/",  "/a",   "a/b/c",   "..",       "../a", "a/..",
                           "a/.b",   "a--b/c", "a b", "a/b@", "a@../x",  "a@x/../y", "a@/x", "a@x/",
                           "a@x//y", "a@x\\y", "./a", "~/a",  "a/b@x y", "@x",       "é/b"}) {
    EXPECT_FALSE(parse_hub_id(text)) << text;
  }
  EXPECT_FALSE(parse_hub_id(std::string(97, 'a')));
}

TEST(HubCacheDirectory, FollowsTheRulesOfHuggingfaceHub) {
  const NoCache none;
  const ScopedEnvironment home("HOME", "/h");
  EXPECT_EQ(hub_cache_directory(), "/h/.cache/huggingface/hub");
  const ScopedEnvironment xdg("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(hub_cache_directory(), "/x/huggingface/hub");
  const ScopedEnvironment hf("HF_HOME", "~/hf");
  EXPECT_EQ(hub_cache_directory(), "/h/hf/hub");
  const ScopedEnvironment old("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_cache_directory(), "/old");
  const ScopedEnvironment cache("HF_HUB_CACHE", "/cache");
  EXPECT_EQ(hub_cache_directory(), "/cache");
}

TEST(HubCacheDirectory, NeedsHomeWhereNothingElseIsSet) {
  const NoCache none;
  const ScopedEnvironment home("HOME", {});
  EXPECT_TRUE(has_parts(error_of([] { hub_cache_directory(); }), {"HOME is not set", "HF_HUB_CACHE"}));
}

TEST(HubCache, OpensAModelByItsIdAndKnowsTheHashOfItsWeights) {
  const TempFolder cache;
  const NoCache none;
  const ScopedEnvironment variable("HF_HUB_CACHE", cache.string());
  write_model(cache.path(), "models--org--name", kCommit, 2);
  const Checkpoint checkpoint = open_checkpoint("org/name");
  EXPECT_EQ(checkpoint.directory, cache.path() / "models--org--name/snapshots" / kCommit);
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("a")), std::vector<float>{2});
  ASSERT_EQ(checkpoint.files.size(), 1U);
  EXPECT_EQ(checkpoint.files[0].sha256, kBlob);
  write_model(cache.path(), "models--gpt2", kCommit, 3);
  EXPECT_EQ(read_all_as_float(*open_checkpoint("gpt2").tensors.at("a")), std::vector<float>{3});
}

TEST(HubCache, FindsRevisionsByNameAndByCommit) {
  const TempFolder cache;
  const NoCache none;
  const ScopedEnvironment variable("HF_HOME", cache.string());
  const fs::path model = cache / "hub/models--org--name";
  write_model(cache / "hub", "models--org--name", kOther, 4);
  write_model(cache / "hub", "models--org--name", kCommit, 5);  // main
  fs::create_directories(model / "refs/refs/pr");
  std::ofstream(model / "refs/refs/pr/1") << kOther << "\n";
  EXPECT_EQ(resolve_source("org/name"), model / "snapshots" / kCommit);
  EXPECT_EQ(resolve_source("org/name@refs/pr/1"), model / "snapshots" / kOther);
  EXPECT_EQ(resolve_source("org/name@" + kOther), model / "snapshots" / kOther);
  EXPECT_TRUE(
      has_parts(error_of([] { resolve_source("org/name@v2"); }),
                {"org/name", "\"v2\"", "refs/v2", kCommit, kOther, "hf download org/name --revision v2"}));
  EXPECT_TRUE(
      has_parts(error_of([] { resolve_source("org/name@" + std::string(40, 'c')); }), {"no snapshot"}));
}

TEST(HubCache, AFolderWinsOverTheCache) {
  const TempFolder cache;
  const TempFolder work;
  const NoCache none;
  const ScopedEnvironment variable("HF_HUB_CACHE", cache.string());
  write_model(cache.path(), "models--org--name", kCommit, 2);
  fs::create_directories(work / "org/name");
  const fs::path before = fs::current_path();
  fs::current_path(work.path());
  const fs::path found = resolve_source("org/name");
  fs::current_path(before);
  EXPECT_EQ(found, "org/name");
}

TEST(HubCache, SaysWhereItLookedAndWhatToRun) {
  const TempFolder cache;
  const NoCache none;
  const ScopedEnvironment variable("HF_HUB_CACHE", cache.string());
  EXPECT_TRUE(has_parts(error_of([] { resolve_source("org/absent"); }),
                        {"org/absent", cache.string(), "hf download org/absent", "downloads nothing"}));
}

TEST(HubCache, RefusesARefThatIsNotACommit) {
  const TempFolder cache;
  const NoCache none;
  const ScopedEnvironment variable("HF_HUB_CACHE", cache.string());
  write_model(cache.path(), "models--org--name", kCommit, 2);
  for (const std::string& text : {std::string("../../../../etc"), std::string(), std::string(39, 'a'),
                                  std::string(40, 'A'), std::string(10'000, 'a')}) {
    std::ofstream(cache / "models--org--name/refs/main") << text;
    EXPECT_TRUE(has_parts(error_of([] { resolve_source("org/name"); }), {"refs/main"})) << text;
  }
}

TEST(HubCache, TakesNoHashFromLinksThatAreNotTheCachesOwn) {
  const TempFolder folder;
  folder.write("elsewhere/" + kBlob, "x");
  folder.write("blobs/" + kBlob.substr(1), "x");
  folder.write("blobs/" + kBlob, "x");
  fs::create_symlink("elsewhere/" + kBlob, folder / "a");
  fs::create_symlink("blobs/" + kBlob.substr(1), folder / "b");
  fs::create_symlink("blobs/" + kBlob, folder / "c");
  EXPECT_EQ(hub_cache_sha256(folder / "a"), "");
  EXPECT_EQ(hub_cache_sha256(folder / "b"), "");
  EXPECT_EQ(hub_cache_sha256(folder / "c"), kBlob);
  EXPECT_EQ(hub_cache_sha256(folder / "blobs" / kBlob), "");  // a file, not a link
  EXPECT_EQ(hub_cache_sha256(folder / "absent"), "");
}

}  // namespace
}  // namespace bantam

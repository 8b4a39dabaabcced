#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::has_parts;
using test::TempFolder;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

using Names = std::set<std::string>;

TEST(StagedDirectory, AppearsByCommitAndNotBefore) {
  const TempFolder folder;
  StagedDirectory staged(folder / "out", false);
  write_text_file(staged.path() / "a", "1");
  EXPECT_FALSE(fs::exists(folder / "out"));
  staged.commit();
  EXPECT_EQ(names_in(folder.path()), Names{"out"});
  EXPECT_EQ(read_text_file(folder / "out/a", 10), "1");
}

TEST(StagedDirectory, LeavesNothingWhenItIsGivenUp) {
  const TempFolder folder;
  {
    const StagedDirectory staged(folder / "out/", false);
    fs::create_directory(staged.path() / "sub");
    write_text_file(staged.path() / "sub/a", "1");
    EXPECT_EQ(names_in(folder.path()).size(), 1u);
  }
  EXPECT_EQ(names_in(folder.path()), Names{});
}

TEST(StagedDirectory, HasThePermissionsOfAnyNewFolder) {
  const TempFolder folder;
  const mode_t before = ::umask(027);
  StagedDirectory staged(folder / "out", false);
  ::umask(before);
  staged.commit();
  struct stat status {};
  ASSERT_EQ(::stat((folder / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0750u);
}

TEST(StagedDirectory, RefusesWhatExists) {
  const TempFolder folder;
  folder.write("file", "");
  fs::create_directory(folder / "empty");
  fs::create_symlink("nowhere", folder / "link");
  for (const char* name : {"file", "empty", "link"}) {
    EXPECT_TRUE(has_parts(error_of([&] { StagedDirectory(folder / name, false); }),
                          {name, "exists already", "--force"}));
  }
  EXPECT_TRUE(has_parts(error_of([&] { StagedDirectory(folder / "absent/out", false); }),
                        {"absent", "create it first"}));
  EXPECT_TRUE(
      has_parts(error_of([&] { StagedDirectory(folder / "file/out", false); }), {"file", "not a directory"}));
}

TEST(StagedDirectory, ReplacesAnythingWhenAskedTo) {
  const TempFolder folder;
  folder.write("folder/old/file", "");
  folder.write("file", "");
  folder.write("elsewhere/kept", "");
  fs::create_directory_symlink("elsewhere", folder / "link");
  for (const char* name : {"folder", "file", "link", "nothing"}) {
    StagedDirectory staged(folder / name, true);
    write_text_file(staged.path() / "new", name);
    staged.commit();
    EXPECT_EQ(names_in(folder / name), Names{"new"});
    EXPECT_FALSE(fs::is_symlink(folder / name));
  }
  EXPECT_EQ(names_in(folder.path()), (Names{"elsewhere", "file", "folder", "link", "nothing"}));
  EXPECT_TRUE(fs::exists(folder / "elsewhere/kept"));  // what a link points to is not ours
}

TEST(StagedDirectory, DoesNotTouchATargetThatAppearsWhileItIsBuilt) {
  for (const char* other : {"out", "out/mine"}) {
    const TempFolder folder;
    std::string message;
    {
      StagedDirectory staged(folder / "out", false);
      fs::create_directories(folder / other);
      message = error_of([&] { staged.commit(); });
    }
    EXPECT_TRUE(has_parts(message, {"out", "somebody else"}));
    EXPECT_EQ(names_in(folder.path()), Names{"out"});
    EXPECT_TRUE(fs::exists(folder / other));
  }
}

TEST(StagedDirectory, GivesManyRunsTheSameTargetOneAfterTheOther) {
  const TempFolder folder;
  {
    std::vector<std::jthread> runs;
    for (int run = 0; run < 8; ++run) {
      runs.emplace_back([&folder, run] {
        for (int i = 0; i < 20; ++i) {
          StagedDirectory staged(folder / "out", true);
          write_text_file(staged.path() / "run", std::to_string(run));
          staged.commit();
        }
      });
    }
  }
  EXPECT_EQ(names_in(folder.path()), Names{"out"});
  EXPECT_EQ(names_in(folder / "out"), Names{"run"});
}

}  // namespace
}  // namespace bantam

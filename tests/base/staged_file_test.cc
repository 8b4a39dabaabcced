#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::has_parts;
using test::TempFolder;

std::int64_t entries(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

void write(const StagedFile& staged, std::string_view text) {
  staged.file().write_at(0, std::as_bytes(std::span(text)));
}

TEST(StagedFile, AppearsByCommitAndNotBefore) {
  const TempFolder folder;
  StagedFile staged(folder / "out", false);
  write(staged, "new");
  EXPECT_FALSE(fs::exists(folder / "out"));
  staged.commit();
  EXPECT_EQ(read_text_file(folder / "out", 10), "new");
  EXPECT_EQ(entries(folder.path()), 1);
}

TEST(StagedFile, LeavesNothingWhenItIsGivenUp) {
  const TempFolder folder;
  folder.write("old", "old");
  {
    const StagedFile staged(folder / "old", true);
    write(staged, "new");
    EXPECT_EQ(entries(folder.path()), 2);
  }
  EXPECT_EQ(entries(folder.path()), 1);
  EXPECT_EQ(read_text_file(folder / "old", 10), "old");
}

TEST(StagedFile, ReplacesOnlyWhenItIsTold) {
  const TempFolder folder;
  folder.write("old", "old");
  EXPECT_TRUE(has_parts(error_of([&] { StagedFile(folder / "old", false); }), {"old", "exists", "--force"}));
  StagedFile staged(folder / "old", true);
  write(staged, "new");
  staged.commit();
  EXPECT_EQ(read_text_file(folder / "old", 10), "new");
}

TEST(StagedFile, DoesNotReplaceWhatWasMadeInTheMeantime) {
  const TempFolder folder;
  StagedFile staged(folder / "out", false);
  folder.write("out", "theirs");
  EXPECT_TRUE(has_parts(error_of([&] { staged.commit(); }), {"out", "in the meantime"}));
  EXPECT_EQ(read_text_file(folder / "out", 10), "theirs");
}

TEST(StagedFile, RefusesFoldersAndParentsThatAreNotThere) {
  const TempFolder folder;
  fs::create_directory(folder / "sub");
  for (const bool replace : {false, true}) {
    EXPECT_TRUE(has_parts(error_of([&] { StagedFile(folder / "sub", replace); }), {"sub", "folder"}));
    EXPECT_TRUE(
        has_parts(error_of([&] { StagedFile(folder / "absent/out", replace); }), {"absent", "create it"}));
    EXPECT_TRUE(has_parts(error_of([&] { StagedFile(folder / "sub/", replace); }), {"sub", "folder"}));
  }
}

}  // namespace
}  // namespace bantam

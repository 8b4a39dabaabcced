#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

TEST(FileMap, ShowsTheBytesAtAnyOffsetAndOutlivesTheFile) {
  const fs::path path = fs::path(testing::TempDir()) / ("map-" + std::to_string(::getpid()));
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += static_cast<char>('a' + i % 23);
  write_text_file(path, text);
  std::shared_ptr<const std::byte> mapped;
  {
    const File file = File::open_read(path);
    for (const std::int64_t offset : {0, 1, 4095, 4096, 4097, 9'999}) {
      const auto bytes = file.map(offset, 10'000 - offset);
      const std::string_view seen(reinterpret_cast<const char*>(bytes.get()),
                                  text.size() - static_cast<std::size_t>(offset));
      EXPECT_EQ(seen, std::string_view(text).substr(static_cast<std::size_t>(offset))) << offset;
    }
    mapped = file.map(5'000, 10);
    EXPECT_THROW(file.map(5'000, 5'001), Error);
    EXPECT_THROW(file.map(20'000, 1), Error);
    EXPECT_THROW(file.map(-1, 1), Error);
    EXPECT_THROW(file.map(0, 0), Error);
  }
  fs::remove(path);
  EXPECT_EQ(static_cast<char>(*mapped), text[5'000]);
}

}  // namespace
}  // namespace bantam

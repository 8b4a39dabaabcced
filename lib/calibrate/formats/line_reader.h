#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "calibrate/dataset.h"

namespace bantam {

// Lines of a text file, one by one, as UTF-8: without line ends (LF, CR LF), without a byte order mark.
// Errors carry "file:line": bytes that are not UTF-8, lines above 64 MiB.
class LineReader {
 public:
  LineReader(const std::filesystem::path& path, CharacterSet charset);

  // False at the end. `line` is valid until the next call.
  bool next(std::string_view& line);
  // Of the line that next() gave, from 1.
  std::int64_t number() const { return number_; }
  // Throws an Error with `message` at the current line, or at `line`.
  [[noreturn]] void fail_here(std::string_view message, std::int64_t line = 0) const;

 private:
  bool fill();

  File file_;
  CharacterSet charset_;
  std::int64_t size_;
  std::int64_t offset_ = 0;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::string converted_;
  std::int64_t number_ = 0;
};

// The first whole lines of a file, at most `bytes`; not checked for UTF-8.
std::string file_head(const std::filesystem::path& path, std::int64_t bytes = 1 << 16);

}  // namespace bantam

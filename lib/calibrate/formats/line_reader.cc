#include "calibrate/formats/line_reader.h"

#include <algorithm>

#include "base/error.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

constexpr std::int64_t kChunkBytes = 1 << 20;
constexpr std::size_t kMaxLineBytes = 64 << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(const std::filesystem::path& path, CharacterSet charset)
    : file_(File::open_read(path)), charset_(charset), size_(file_.size()) {}

// Appends the next chunk of the file behind what is left of the buffer.
bool LineReader::fill() {
  const std::int64_t count = std::min(kChunkBytes, size_ - offset_);
  if (count <= 0) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t kept = buffer_.size();
  if (kept > kMaxLineBytes) fail_here("a line of more than 64 MiB", number_ + 1);
  buffer_.resize(kept + static_cast<std::size_t>(count));
  file_.read_at(offset_, std::as_writable_bytes(std::span(buffer_).subspan(kept)));
  offset_ += count;
  return true;
}

bool LineReader::next(std::string_view& line) {
  std::size_t searched = begin_;
  std::size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos) {
    searched = buffer_.size() - begin_;
    if (!fill()) break;
    end = buffer_.find('\n', searched);
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  line = std::string_view(buffer_).substr(begin_, end == std::string::npos ? end : end - begin_);
  begin_ = end == std::string::npos ? buffer_.size() : end + 1;
  ++number_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (number_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (charset_ == CharacterSet::kLatin1) {
    converted_ = latin1_to_utf8(line);
    line = converted_;
  } else if (const auto bad = invalid_utf8(line)) {
    fail_here(fmt::format(
        "byte {} of the line is not UTF-8; if the file is in Latin-1, say so (--encoding latin1)", *bad + 1));
  }
  return true;
}

void LineReader::fail_here(std::string_view message, std::int64_t line) const {
  fail("{}:{}: {}", file_.path().string(), line > 0 ? line : number_, message);
}

std::string file_head(const std::filesystem::path& path, std::int64_t bytes) {
  const File file = File::open_read(path);
  const std::int64_t size = file.size();
  std::string head(static_cast<std::size_t>(std::min(bytes, size)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(head)));
  if (std::ssize(head) < size) {
    if (const std::size_t end = head.rfind('\n'); end != std::string::npos) head.resize(end + 1);
  }
  if (head.starts_with(kByteOrderMark)) head.erase(0, kByteOrderMark.size());
  return head;
}

}  // namespace bantam

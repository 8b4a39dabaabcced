#include "convert/weight_file.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::int64_t kStartBytes = 512;

bool begins_with(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char expected, char actual) {
           return expected == std::tolower(static_cast<unsigned char>(actual));
         });
}

}  // namespace

void check_tensor_name(const std::string& name) {
  if (name.size() > kMaxNameBytes)
    fail("a name of {} bytes; at most {} are accepted", name.size(), kMaxNameBytes);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(name, is_control)) fail("the name holds control characters");
}

std::string read_start(const File& file, std::int64_t size) {
  std::string start(static_cast<std::size_t>(std::min(size, kStartBytes)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  return start;
}

void refuse_other_formats(std::string_view start, std::string_view expected) {
  if (start.starts_with("version https://git-lfs")) {
    fail("is a Git-LFS pointer, not the weights; fetch them with \"git lfs pull\"");
  }
  if (start.starts_with("GGUF")) fail("is a GGUF file, not {}; give the original checkpoint", expected);
  const std::size_t first = start.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const std::string_view text = first == start.npos ? std::string_view() : start.substr(first);
  if (begins_with(text, "<!doctype") || begins_with(text, "<html") || begins_with(text, "<?xml")) {
    fail(
        "is a web page, not weights: the download went wrong; check the address and whether it needs a "
        "login");
  }
  // A header size never reads as text: eight letters are a number far above the limit.
  const auto is_text = [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t'; };
  if (!start.empty() && std::ranges::all_of(start.substr(0, 64), is_text)) {
    fail("is text that begins with {}, not weights; download the file again", quote(start, 40));
  }
}

}  // namespace bantam

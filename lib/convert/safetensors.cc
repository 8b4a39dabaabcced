#include "convert/safetensors.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "convert/safetensors_header.h"

namespace bantam {
namespace {

constexpr std::int64_t kLengthBytes = 8;

bool begins_with(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char expected, char actual) {
           return expected == std::tolower(static_cast<unsigned char>(actual));
         });
}

// What stands under the name of a weight file more often than a damaged one.
void refuse_other_formats(std::string_view start) {
  if (start.starts_with("version https://git-lfs")) {
    fail("is a Git-LFS pointer, not the weights; fetch them with \"git lfs pull\"");
  }
  if (start.starts_with("PK\x03\x04") || start.starts_with("\x80\x02")) {
    fail("is a PyTorch pickle file, not safetensors; convert it with transformers' save_pretrained()");
  }
  if (start.starts_with("GGUF")) fail("is a GGUF file, not safetensors; give the original checkpoint");
  const std::size_t first = start.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const std::string_view text = first == start.npos ? std::string_view() : start.substr(first);
  if (begins_with(text, "<!doctype") || begins_with(text, "<html") || begins_with(text, "<?xml")) {
    fail(
        "is a web page, not weights: the download went wrong; check the address and whether it needs a "
        "login");
  }
  // A header size never reads as text: eight letters are a number far above the limit.
  const auto is_text = [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t'; };
  if (!start.empty() && std::ranges::all_of(start, is_text)) {
    fail("is text that begins with {}, not weights; download the file again", quote(start, 40));
  }
}

std::string read_start(const File& file, std::int64_t size) {
  std::string start(static_cast<std::size_t>(std::min<std::int64_t>(size, 64)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  return start;
}

std::string read_header(const File& file, std::int64_t size) {
  const std::string start = read_start(file, size);
  return with_context(file.path().string(), [&] {
    refuse_other_formats(start);
    if (size < kLengthBytes) fail("is {} bytes: too short for a safetensors file; download it again", size);
    std::uint64_t length = 0;
    std::memcpy(&length, start.data(), sizeof(length));
    if (length > static_cast<std::uint64_t>(kMaxSafetensorsHeader)) {
      fail("claims a header of {} bytes; at most {} are allowed: not a safetensors file, or damaged", length,
           kMaxSafetensorsHeader);
    }
    if (static_cast<std::int64_t>(length) > size - kLengthBytes) {
      fail("truncated: a header of {} bytes where {} are left; download the file again", length,
           size - kLengthBytes);
    }
    return std::string(static_cast<std::size_t>(length), '\0');
  });
}

}  // namespace

SafetensorsFile open_safetensors(const std::filesystem::path& path) {
  const auto file = std::make_shared<const File>(File::open_read(path));
  const std::int64_t size = file->size();
  std::string json = read_header(*file, size);
  file->read_at(kLengthBytes, std::as_writable_bytes(std::span(json)));
  const std::int64_t data_begin = kLengthBytes + std::ssize(json);
  SafetensorsHeader header =
      with_context(path.string(), [&] { return parse_safetensors_header(json, size - data_begin); });

  SafetensorsFile result;
  result.bytes = size;
  result.metadata = std::move(header.metadata);
  result.tensors.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    result.tensors.push_back(make_file_source(std::move(entry.spec), file, data_begin + entry.begin));
  }
  return result;
}

}  // namespace bantam

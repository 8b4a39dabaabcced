#include "convert/safetensors.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "convert/safetensors_header.h"

namespace bantam {
namespace {

constexpr std::int64_t kLengthBytes = 8;

// A length that the file has room for, before what every header begins with. The length's low bytes may then
// be any, also those that other formats begin with.
bool looks_right(std::string_view start, std::int64_t size) {
  if (std::ssize(start) <= kLengthBytes || start[kLengthBytes] != '{') return false;
  std::uint64_t length = 0;
  std::memcpy(&length, start.data(), sizeof(length));
  return length <= static_cast<std::uint64_t>(std::min(kMaxSafetensorsHeader, size - kLengthBytes));
}

void refuse_pickles(std::string_view start) {
  if (start.starts_with("PK\x03\x04") || start.starts_with("\x80\x02")) {
    fail(
        "is a PyTorch pickle file, not safetensors; name it pytorch_model.bin, or convert it with transformers' "
        "save_pretrained()");
  }
}

std::string read_header(const File& file, std::int64_t size) {
  const std::string start = read_start(file, size);
  return with_context(file.path().string(), [&] {
    if (!looks_right(start, size)) {
      refuse_pickles(start);
      refuse_other_formats(start, "safetensors");
    }
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

WeightFile open_safetensors(const std::filesystem::path& path) {
  const auto file = std::make_shared<const File>(File::open_read(path));
  const std::int64_t size = file->size();
  std::string json = read_header(*file, size);
  file->read_at(kLengthBytes, std::as_writable_bytes(std::span(json)));
  const std::int64_t data_begin = kLengthBytes + std::ssize(json);
  SafetensorsHeader header =
      with_context(path.string(), [&] { return parse_safetensors_header(json, size - data_begin); });

  WeightFile result;
  result.bytes = size;
  result.metadata = std::move(header.metadata);
  result.tensors.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    result.tensors.push_back(make_file_source(std::move(entry.spec), file, data_begin + entry.begin));
  }
  return result;
}

}  // namespace bantam

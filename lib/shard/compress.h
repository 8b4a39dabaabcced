#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace bantam {

using ByteSink = std::function<void(std::span<const std::byte>)>;

// A pre-compressed twin of a file, for servers that send it with Content-Encoding.
struct Compression {
  std::string_view name;                      // "gzip"
  std::string_view extension;                 // ".gz"
  std::string_view summary;                   // for --help
  std::int64_t (*bound)(std::int64_t bytes);  // the most that a file of so many bytes becomes
  void (*compress)(const std::filesystem::path& from, const std::filesystem::path& to);
  // Hands over what `from` decodes to, in pieces. Error: damaged, truncated, bytes behind the end, or more
  // than `max_bytes`.
  void (*decompress)(const std::filesystem::path& from, std::int64_t max_bytes, const ByteSink& sink);
};

// gzip uses Huffman coding only: quantized weights hold no repeats, and it decodes fastest. zstd uses
// level 3. Both give the same bytes for the same input and library version. Streams in constant memory.
std::span<const Compression> compressions();

}  // namespace bantam

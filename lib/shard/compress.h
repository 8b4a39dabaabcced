#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace bantam {

// A pre-compressed twin of a file, for servers that send it with Content-Encoding.
struct Compression {
  std::string_view name;       // "gzip"
  std::string_view extension;  // ".gz"
  std::string_view summary;    // for --help
  std::int64_t (*bound)(std::int64_t bytes);  // the most that a file of so many bytes becomes
  void (*compress)(const std::filesystem::path& from, const std::filesystem::path& to);
};

// gzip uses Huffman coding only: quantized weights hold no repeats, and it decodes fastest. zstd uses level 3.
// Both give the same bytes for the same input and library version. Streams in constant memory.
std::span<const Compression> compressions();

}  // namespace bantam

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace bantam {

// Reads a small text file of a checkpoint: UTF-8, at most `max_bytes`, no Git-LFS pointer. Errors name the
// path.
std::string read_utf8_file(const std::filesystem::path& path, std::int64_t max_bytes);

// Refuses a file that is not JSON, by its path and the first wrong byte. Builds nothing, so a tokenizer.json
// of 20 MB costs a tenth of a second and no memory beyond its text.
void check_json_file(const std::filesystem::path& path, std::int64_t max_bytes);

// `text` as a JSON string, appended. UTF-8 stays as it is, as the tokenizers library writes it.
void append_json_string(std::string& out, std::string_view text);

}  // namespace bantam

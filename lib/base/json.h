#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace bantam {

using Json = nlohmann::json;

struct JsonLimits {
  std::int64_t max_bytes = 100 << 20;
  int max_depth = 64;
};

// Parses hostile JSON text: duplicate keys, deep nesting and trailing bytes are errors that say where.
Json parse_json(std::string_view text, const JsonLimits& limits = {});
// The same for a file; errors name the path. A Git-LFS pointer in place of the file is recognised.
Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

// JSON has no infinity: what is not finite is written as null, and null is read as infinity.
Json finite_or_null(double value);
double number_or_infinity(const Json& value);

// Two-space indented text with a final newline.
std::string to_pretty_json(const Json& value);

}  // namespace bantam

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace bantam {

// config.json of a checkpoint: typed, bounds-checked reading. Every error names the file, the key, what stands
// there and what was expected. Keys may have aliases, tried in order ({"dim", "hidden_size"}).
class Config {
 public:
  Config(std::filesystem::path path, Json values);

  const std::filesystem::path& path() const { return path_; }
  const Json& json() const { return *values_; }

  std::string model_type() const;  // lower-level callers: required, not empty
  std::vector<std::string> architectures() const;  // empty when absent

  bool has(std::string_view key) const;  // present and not null
  // Required: absent or of another type is an error. Integers must be in [min, max].
  std::int64_t integer(std::string_view key, std::int64_t min = 1, std::int64_t max = 1 << 30) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t min = 0,
                          std::int64_t max = 1 << 30) const;
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;

  // Refuses what would silently change the result: quantization_config, and `key` with another value than `only`.
  void refuse_unless(std::string_view key, std::string_view only) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const Json> values_;
};

}  // namespace bantam

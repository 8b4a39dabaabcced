#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace bantam {

// config.json of a checkpoint: typed, bounds-checked reading. Every error names the file, the key, what
// stands there and what was expected. A key that is present with the value null counts as absent.
class Config {
 public:
  // `values` must be an object. `path` is for messages.
  Config(std::filesystem::path path, Json values);
  static Config read(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  const Json& json() const { return *values_; }

  std::string model_type() const;                  // required, not empty
  std::vector<std::string> architectures() const;  // empty when absent

  bool has(std::string_view key) const;  // present and not null
  // The first of these aliases that is present, else the first: integer(first_of({"dim", "hidden_size"})).
  std::string_view first_of(std::initializer_list<std::string_view> aliases) const;

  // Required: absent or of another type is an error. Integers must be in [min, max] and written as integers:
  // 12.0 and true are refused, as PyTorch refuses them for sizes.
  std::int64_t integer(std::string_view key, std::int64_t min = 1, std::int64_t max = 1 << 30) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t min = 0,
                          std::int64_t max = 1 << 30) const;
  double number_or(std::string_view key, double fallback) const;  // integers are numbers too; always finite
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;

  // Refuses what would silently change the result: `key` present with another value than `only` (a string, or
  // the JSON text of a number or boolean: "false").
  void refuse_unless(std::string_view key, std::string_view only) const;
  // Refuses checkpoints whose weights are already quantized (quantization_config, compression_config), naming
  // the method.
  void refuse_quantized() const;

 private:
  const Json* find(std::string_view key) const;  // null: absent
  const Json& required(std::string_view key, std::string_view expected) const;
  std::int64_t checked_integer(std::string_view key, const Json& value, std::int64_t min,
                               std::int64_t max) const;
  [[noreturn]] void fail_value(std::string_view key, const Json& value, std::string_view expected) const;

  std::filesystem::path path_;
  std::shared_ptr<const Json> values_;
};

}  // namespace bantam

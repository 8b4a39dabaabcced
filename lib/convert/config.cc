#include "convert/config.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

constexpr JsonLimits kConfigLimits{.max_bytes = 16 << 20, .max_depth = 64};

// A value as it stands in the file, short enough for a message.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return quote(value.get_ref<const std::string&>(), 60);
  return value.dump();
}

}  // namespace

Config::Config(std::filesystem::path path, Json values)
    : path_(std::move(path)), values_(std::make_shared<const Json>(std::move(values))) {
  if (!values_->is_object())
    fail("{}: holds {} where an object was expected", path_.string(), shown(*values_));
}

Config Config::read(std::filesystem::path path) {
  Json values = read_json_file(path, kConfigLimits);
  return {std::move(path), std::move(values)};
}

const Json* Config::find(std::string_view key) const {
  const auto found = values_->find(key);
  return found == values_->end() || found->is_null() ? nullptr : &*found;
}

void Config::fail_value(std::string_view key, const Json& value, std::string_view expected) const {
  fail("{}: {}: {} where {} was expected", path_.string(), key, shown(value), expected);
}

const Json& Config::required(std::string_view key, std::string_view expected) const {
  const Json* value = find(key);
  if (value == nullptr) fail("{}: {} is missing; {} was expected", path_.string(), key, expected);
  return *value;
}

std::string Config::model_type() const {
  std::string type = string("model_type");
  if (type.empty()) fail("{}: model_type is empty", path_.string());
  return type;
}

std::vector<std::string> Config::architectures() const {
  const Json* value = find("architectures");
  std::vector<std::string> classes;
  if (value == nullptr) return classes;
  if (!value->is_array()) fail_value("architectures", *value, "a list of class names");
  for (const Json& entry : *value) {
    if (!entry.is_string()) fail_value("architectures", entry, "a class name");
    classes.push_back(entry.get<std::string>());
  }
  return classes;
}

bool Config::has(std::string_view key) const {
  return find(key) != nullptr;
}

std::string_view Config::first_of(std::initializer_list<std::string_view> aliases) const {
  BANTAM_ASSERT(aliases.size() > 0);
  for (const std::string_view alias : aliases) {
    if (has(alias)) return alias;
  }
  return *aliases.begin();
}

std::int64_t Config::checked_integer(std::string_view key, const Json& value, std::int64_t min,
                                     std::int64_t max) const {
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool fits =
      value.is_number_integer() && !(value.is_number_unsigned() && value.get<std::uint64_t>() > kLargest);
  const std::int64_t number = fits ? value.get<std::int64_t>() : 0;
  if (!fits || number < min || number > max) {
    fail_value(key, value, fmt::format("an integer from {} to {}", min, max));
  }
  return number;
}

std::int64_t Config::integer(std::string_view key, std::int64_t min, std::int64_t max) const {
  return checked_integer(key, required(key, fmt::format("an integer from {} to {}", min, max)), min, max);
}

std::int64_t Config::integer_or(std::string_view key, std::int64_t fallback, std::int64_t min,
                                std::int64_t max) const {
  const Json* value = find(key);
  return value == nullptr ? fallback : checked_integer(key, *value, min, max);
}

double Config::number_or(std::string_view key, double fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) fail_value(key, *value, "a number");
  return value->get<double>();
}

bool Config::boolean_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) fail_value(key, *value, "true or false");
  return value->get<bool>();
}

std::string Config::string(std::string_view key) const {
  const Json& value = required(key, "a string");
  if (!value.is_string()) fail_value(key, value, "a string");
  return value.get<std::string>();
}

std::string Config::string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? string(key) : std::string(fallback);
}

void Config::refuse_unless(std::string_view key, std::string_view only) const {
  const Json* value = find(key);
  if (value == nullptr) return;
  const bool structured = value->is_structured();
  if (structured ||
      (value->is_string() ? value->get_ref<const std::string&>() != only : value->dump() != only)) {
    fail("{}: {}: {} is not supported; only {} is", path_.string(), key, shown(*value), quote(only));
  }
}

void Config::refuse_quantized() const {
  for (const std::string_view key : {"quantization_config", "compression_config"}) {
    const Json* value = find(key);
    if (value == nullptr) continue;
    std::string method = "an unnamed method";
    if (value->is_object()) {
      const auto named = value->find("quant_method");
      if (named != value->end() && named->is_string())
        method = quote(named->get_ref<const std::string&>(), 60);
    }
    fail("{}: {}: the weights are already quantized ({}); give the float checkpoint that they were made from",
         path_.string(), key, method);
  }
}

}  // namespace bantam

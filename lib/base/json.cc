#include "base/json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace bantam {

Json parse_json(std::string_view text, const JsonLimits& limits) {
  if (std::ssize(text) > limits.max_bytes) {
    fail("JSON of {} bytes; at most {} are accepted", text.size(), limits.max_bytes);
  }
  // The parser takes a NUL for the end of its input and would ignore what follows.
  if (const auto at = text.find('\0'); at != text.npos) fail("not valid JSON: NUL at byte {}", at + 1);
  std::vector<std::set<std::string>> open_objects;
  const auto callback = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > limits.max_depth) fail("JSON nested deeper than {} levels", limits.max_depth);
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) fail("duplicate JSON key {}", quote(key));
    }
    return true;
  };
  try {
    return Json::parse(text, callback);
  } catch (const Json::parse_error& error) {
    fail("not valid JSON at byte {}", error.byte);
  } catch (const Json::exception&) {
    fail("JSON holds a number out of range");
  }
}

Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  const std::string text = read_text_file(path, limits.max_bytes);
  return with_context(path.string(), [&] {
    if (text.starts_with("version https://git-lfs")) {
      fail("is a Git-LFS pointer, not the file itself; fetch it with \"git lfs pull\"");
    }
    return parse_json(text, limits);
  });
}

Json finite_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

double number_or_infinity(const Json& value) {
  return value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
}

std::string to_pretty_json(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace bantam

#include "pipeline/serve/http_headers.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "base/ascii.h"

namespace bantam {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

// Calls body(item) for each trimmed item of a comma-separated list until it says true.
template <typename Body>
bool any_item(std::string_view list, Body body) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (body(trim(list.substr(0, end)))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

RangeKind parse_byte_range(std::string_view header, std::int64_t size, ByteRange64& range) {
  header = trim(header);
  if (!ascii_lower(header.substr(0, 6)).starts_with("bytes=")) return RangeKind::kWhole;
  const std::string_view spec = trim(header.substr(6));
  const std::size_t dash = spec.find('-');
  if (dash == spec.npos || spec.find(',') != spec.npos) return RangeKind::kWhole;
  const auto first = number(trim(spec.substr(0, dash))), last = number(trim(spec.substr(dash + 1)));
  if (dash == 0) {  // the last so many bytes
    if (!last) return RangeKind::kWhole;
    if (*last == 0 || size == 0) return RangeKind::kUnsatisfiable;
    range = {std::max<std::int64_t>(0, size - *last), size};
    return RangeKind::kPart;
  }
  const bool open = dash + 1 == spec.size();
  if (!first || (!open && (!last || *last < *first))) return RangeKind::kWhole;
  if (*first >= size) return RangeKind::kUnsatisfiable;
  range = {*first, open || *last >= size ? size : *last + 1};
  return RangeKind::kPart;
}

bool accepts_coding(std::string_view header, std::string_view coding) {
  return any_item(header, [&](std::string_view item) {
    const std::size_t semicolon = std::min(item.find(';'), item.size());
    if (ascii_lower(trim(item.substr(0, semicolon))) != coding) return false;
    const std::string weight = ascii_lower(item.substr(semicolon));
    const std::size_t q = weight.find("q=");
    if (q == std::string::npos) return true;
    return weight.find_first_not_of("0. \t", q + 2) != std::string::npos;  // q=0, q=0.000: not wanted
  });
}

bool matches_tag(std::string_view header, std::string_view tag) {
  const auto opaque = [](std::string_view text) { return text.starts_with("W/") ? text.substr(2) : text; };
  return any_item(header, [&](std::string_view item) { return item == "*" || opaque(item) == opaque(tag); });
}

}  // namespace bantam

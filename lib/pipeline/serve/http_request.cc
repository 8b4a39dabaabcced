#include "pipeline/serve/http_request.h"

#include <algorithm>
#include <charconv>

namespace bantam {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return c > 32 && c < 127 && std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return (c < 32 && c != '\t') || c == 127; });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode_percent(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 2);
  return line;
}

bool parse_request_line(std::string_view line, HttpRequest& request) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  request.minor = version.back() - '0';
  if (!is_token(request.method) || !request.target.starts_with('/')) return false;
  if (request.target.find_first_of(" \t#") != std::string::npos || has_control(request.target)) return false;
  const auto path = decode_percent(std::string_view(request.target).substr(0, request.target.find('?')));
  if (!path || has_control(*path)) return false;
  request.path = *path;
  return true;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
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

std::string HttpRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

bool HttpRequest::wants_close() const {
  const auto says = [&](std::string_view word) {
    return any_item(header("connection"), [&](std::string_view item) { return lower(item) == word; });
  };
  return says("close") || (minor == 0 && !says("keep-alive"));
}

bool HttpRequest::has_body() const {
  const std::string length = header("content-length");
  return headers.contains("transfer-encoding") || (!length.empty() && length != "0");
}

std::optional<HttpRequest> parse_http_request(std::string_view head) {
  HttpRequest request;
  if (!parse_request_line(take_line(head), request)) return std::nullopt;
  while (!head.empty()) {
    const std::string_view line = take_line(head);
    const std::size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon)) || has_control(line)) return std::nullopt;
    const std::string_view value = trim(line.substr(colon + 1));
    const auto [entry, is_new] = request.headers.try_emplace(lower(line.substr(0, colon)), value);
    if (!is_new) entry->second.append(", ").append(value);
  }
  return request;
}

RangeKind parse_byte_range(std::string_view header, std::int64_t size, ByteRange64& range) {
  header = trim(header);
  if (!lower(header.substr(0, 6)).starts_with("bytes=")) return RangeKind::kWhole;
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
    if (lower(trim(item.substr(0, semicolon))) != coding) return false;
    const std::string weight = lower(item.substr(semicolon));
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

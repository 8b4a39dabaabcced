#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bantam {

// The head of an HTTP/1.x request (RFC 9112): what a server of files needs of it.
struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // as sent: "/onnx/model.onnx?x=1"
  std::string path;    // decoded, without query: "/onnx/model.onnx"
  int minor = 1;       // of HTTP/1.minor
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "

  std::string header(const std::string& name) const;  // empty: absent
  bool wants_close() const;
  // Whether the message goes on after the head. We serve no such request, and cannot find the next one behind it.
  bool has_body() const;
};

// Nothing for what is no request: bad syntax, control characters, percent-encoding that encodes nothing, a path that does
// not begin with '/'. `head` is everything up to the empty line, without it.
std::optional<HttpRequest> parse_http_request(std::string_view head);

// Half-open range of bytes.
struct ByteRange64 {
  std::int64_t begin = 0, end = 0;
};
enum class RangeKind : std::uint8_t {
  kWhole,          // no range, several of them, or a form that we do not know: the whole file is a right answer
  kPart,
  kUnsatisfiable,  // begins behind the end
};
// "bytes=0-0", "bytes=100-", "bytes=-500" of a file of `size` bytes (RFC 9110, section 14).
RangeKind parse_byte_range(std::string_view header, std::int64_t size, ByteRange64& range);

// Whether an Accept-Encoding header accepts `coding` by its name ("*" does not count).
bool accepts_coding(std::string_view header, std::string_view coding);
// Whether an If-None-Match header names this entity tag, or any.
bool matches_tag(std::string_view header, std::string_view tag);

}  // namespace bantam

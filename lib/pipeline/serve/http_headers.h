#pragma once

#include <cstdint>
#include <string_view>

namespace bantam {

// What the values of a request's headers ask for (RFC 9110): any text is taken, and what means nothing asks
// for nothing.

// Half-open range of bytes.
struct ByteRange64 {
  std::int64_t begin = 0, end = 0;
};
enum class RangeKind : std::uint8_t {
  kWhole,  // no range, several of them, or a form that we do not know: the whole file is a right answer
  kPart,
  kUnsatisfiable,  // begins behind the end
};
// "bytes=0-0", "bytes=100-", "bytes=-500" of a file of `size` bytes (section 14).
RangeKind parse_byte_range(std::string_view header, std::int64_t size, ByteRange64& range);

// Whether an Accept-Encoding header accepts `coding` by its name ("*" does not count).
bool accepts_coding(std::string_view header, std::string_view coding);
// Whether an If-None-Match header names this entity tag, or any.
bool matches_tag(std::string_view header, std::string_view tag);

}  // namespace bantam

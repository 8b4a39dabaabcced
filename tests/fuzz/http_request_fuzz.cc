// Any bytes as the head of an HTTP request: refused, or a path without control characters; ranges lie inside the file.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "pipeline/serve/http_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  const auto request = bantam::parse_http_request(head);
  if (!request) return 0;
  if (!request->path.starts_with('/')) std::abort();
  for (const unsigned char c : request->path) {
    if (c < 32 && c != '\t') std::abort();
  }
  for (const std::int64_t bytes : {0, 1, 100}) {
    bantam::ByteRange64 range;
    const bantam::RangeKind kind = bantam::parse_byte_range(request->header("range"), bytes, range);
    if (kind == bantam::RangeKind::kPart && !(0 <= range.begin && range.begin < range.end && range.end <= bytes)) std::abort();
  }
  bantam::accepts_coding(request->header("accept-encoding"), "gzip");
  bantam::matches_tag(request->header("if-none-match"), "\"x\"");
  return 0;
}

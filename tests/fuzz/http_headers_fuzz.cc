// Any bytes as the value of a request's header: a range lies inside the file, and nothing else happens.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "pipeline/serve/http_headers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  for (const std::int64_t bytes : {0, 1, 100}) {
    bantam::ByteRange64 range;
    const bantam::RangeKind kind = bantam::parse_byte_range(value, bytes, range);
    if (kind == bantam::RangeKind::kPart &&
        !(0 <= range.begin && range.begin < range.end && range.end <= bytes))
      std::abort();
  }
  bantam::accepts_coding(value, "gzip");
  bantam::matches_tag(value, "\"x\"");
  return 0;
}

// Any text as JSON: refused with an Error, or it comes back the same through our own writer.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const bantam::Json value = bantam::parse_json(text);
    if (bantam::parse_json(bantam::to_pretty_json(value)) != value) std::abort();
  } catch (const bantam::Error&) {
  }
  return 0;
}

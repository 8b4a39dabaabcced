#include "base/error.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bantam {

void Error::add_context(std::string_view where) { message_ = fmt::format("{}: {}", where, message_); }

void throw_error(ErrorCode code, std::string message) { throw Error(code, std::move(message)); }

void fail_io(std::string_view path, std::string_view action, int errno_value) {
  throw Error(ErrorCode::kIo, fmt::format("{}: cannot {}: {}", path, action, std::strerror(errno_value)));
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  if (cut) {
    while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0u) == 0x80u) --max_bytes;
    text = text.substr(0, max_bytes);  // at the start of a UTF-8 sequence, never inside one
  }
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too: terminals take U+009B for an escape sequence.
    const bool c1 = byte == 0xc2u && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0u;
    if (c1) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[++i]));
    } else if (byte < 0x20u || byte == 0x7fu) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += text[i];
    }
  }
  out += cut ? "...\"" : "\"";
  return out;
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "bantam: internal error: %s (%s:%d). Please report this.\n", expression, file, line);
  std::abort();
}

}  // namespace bantam

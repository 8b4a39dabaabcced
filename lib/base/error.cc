#include "base/error.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/table.h"

namespace bantam {

void Error::add_context(std::string_view where) {
  message_ = fmt::format("{}: {}", where, message_);
}

void throw_error(ErrorCode code, std::string message) {
  throw Error(code, std::move(message));
}

void fail_io(std::string_view path, std::string_view action, int errno_value) {
  throw Error(ErrorCode::kIo, fmt::format("{}: cannot {}: {}", path, action, std::strerror(errno_value)));
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  if (cut) {
    while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0u) == 0x80u) --max_bytes;
    text = text.substr(0, max_bytes);  // at the start of a UTF-8 sequence, never inside one
  }
  return fmt::format("\"{}{}\"", printable(text), cut ? "..." : "");
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "bantam: internal error: %s (%s:%d). Please report this.\n", expression, file, line);
  std::abort();
}

}  // namespace bantam

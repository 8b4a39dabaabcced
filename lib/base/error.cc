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

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "bantam: internal error: %s (%s:%d). Please report this.\n", expression, file, line);
  std::abort();
}

}  // namespace bantam

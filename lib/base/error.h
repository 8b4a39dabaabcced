#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace bantam {

// What kind of failure it was. `apps` turns it into an exit code; nothing in lib/ branches on it.
enum class ErrorCode {
  kInvalid,    // the input is wrong: a file, a tensor, a configuration
  kIo,         // the operating system refused: cannot open, read, write
  kUsage,      // the command line asks for something that does not exist
  kCancelled,  // the user pressed Ctrl-C or the process was told to stop
};

// The one exception type of Bantam. It collects context on its way up, so that the final line reads
// "model.safetensors: encoder.layer.0.output.dense.weight: shape [3, 4] where [4, 4] was expected".
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  ErrorCode code() const { return code_; }

  // Prepends "where: " to the message.
  void add_context(std::string_view where);

 private:
  ErrorCode code_;
  std::string message_;
};

[[noreturn]] void throw_error(ErrorCode code, std::string message);

// Throws Error{kInvalid} with a formatted message: what is wrong, where, and what to do about it.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw_error(ErrorCode::kInvalid, fmt::vformat(format, fmt::make_format_args(args...)));
}

// Throws Error{kUsage}: exit code 2, for command lines and recipes that cannot be meant.
template <typename... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw_error(ErrorCode::kUsage, fmt::vformat(format, fmt::make_format_args(args...)));
}

// Throws Error{kIo} for a failed system call: "<path>: cannot <action>: <strerror(errno_value)>".
[[noreturn]] void fail_io(std::string_view path, std::string_view action, int errno_value);

// Runs `body`; an Error that leaves it gets `where` prepended.
template <typename Body>
decltype(auto) with_context(std::string_view where, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(where);
    throw;
  }
}

// Text from a file, fit for a message: in double quotes, printable() (base/table.h), cut after `max_bytes`.
std::string quote(std::string_view text, std::size_t max_bytes = 120);

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace bantam

// A programmer's mistake that no input can reach. Stays on in release builds.
#define BANTAM_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::bantam::assertion_failed(#condition, __FILE__, __LINE__))

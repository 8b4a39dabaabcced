#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace bantam {

// An ONNX model may be right and still hold something that Bantam cannot read or run: control flow, an
// operator that the runtime lacks. Whoever judges models of others tells this from a model that is broken.
class Unsupported : public Error {
 public:
  explicit Unsupported(std::string message) : Error(ErrorCode::kInvalid, std::move(message)) {}
};

template <typename... Args>
[[noreturn]] void fail_unsupported(fmt::format_string<Args...> format, Args&&... args) {
  throw Unsupported(fmt::vformat(format, fmt::make_format_args(args...)));
}

}  // namespace bantam

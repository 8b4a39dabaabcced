#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "calibrate/bridge/bridge.h"

namespace bantam {

inline BantamText borrow(std::string_view text) {
  return {text.data(), text.size()};
}

inline std::string take(BantamOwnedText text) {
  std::string copy;
  if (text.data != nullptr) copy.assign(text.data, text.size);
  bantam_text_free(text);
  return copy;
}

// Throws what the bridge wrote into its `error` argument.
[[noreturn]] inline void throw_bridge_error(BantamOwnedText error) {
  throw_error(ErrorCode::kInvalid, take(error));
}

}  // namespace bantam

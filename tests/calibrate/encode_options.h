#pragma once

#include <nlohmann/json.hpp>

#include "calibrate/tokenizer.h"

namespace bantam {

// Options as tests write them: {"max_length": 8, "truncation": 1, "left": true}.
inline EncodeOptions options_of(const Json& request) {
  EncodeOptions options;
  options.add_special_tokens = request.value("add_special_tokens", true);
  options.truncation = static_cast<Truncation>(request.value("truncation", 0));
  options.max_length = request.value("max_length", 0);
  options.stride = request.value("stride", 0);
  if (request.contains("left")) options.truncation_side = request["left"] ? Side::kLeft : Side::kRight;
  return options;
}

}  // namespace bantam

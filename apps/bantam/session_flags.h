#pragma once

#include <optional>
#include <string>

#include "frame/options.h"
#include "runtime/options.h"

namespace bantam {

// The options that every command shares that runs a model.
struct SessionFlags {
  std::optional<int> threads;
  std::string nbits = "declared";
  bool emulate_fp16 = false;
  bool profile = false;
};

void declare_session_flags(Options& options, SessionFlags& flags);
SessionOptions session_options(const SessionFlags& flags);

}  // namespace bantam

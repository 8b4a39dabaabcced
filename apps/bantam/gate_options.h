#pragma once

#include <optional>

#include "frame/options.h"
#include "pipeline/report/gates.h"

namespace bantam {

// The options that every command with a quality gate shares.
struct GateOptions {
  std::optional<double> min_retention;
  std::optional<double> max_kl;
  std::optional<ByteSize> max_bytes;
  std::optional<double> max_regression;
  std::optional<std::filesystem::path> junit;
};

void declare_gates(Options& options, GateOptions& gates, bool with_regression);
GateLimits limits_of(const GateOptions& gates);
// Prints the verdicts, writes the JUnit file if one is wanted.
std::string describe_gates(const Report& report);

}  // namespace bantam

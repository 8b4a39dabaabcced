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

enum class GatedCommand { kConvert, kEvaluate, kCompare };
void declare_gates(Options& options, GateOptions& gates, GatedCommand command);
inline bool limits_losses(const GateOptions& gates) {
  return gates.min_retention || gates.max_kl;
}
GateLimits limits_of(const GateOptions& gates);
// Prints the verdicts, writes the JUnit file if one is wanted.
std::string describe_gates(const Report& report);

}  // namespace bantam

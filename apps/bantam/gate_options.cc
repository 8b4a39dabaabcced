#include "gate_options.h"

#include <fmt/format.h>

namespace bantam {

void declare_gates(Options& options, GateOptions& gates, GatedCommand command) {
  const bool converts = command == GatedCommand::kConvert;
  const std::string chooses =
      converts
          ? " Bits of q4 and q4f16 are chosen for it, the fewest that keep it on --evaluate's or --calibrate's examples."
          : "";
  options.group(converts
                    ? "Limits, which choose bits, and gates (exit code 3 when --evaluate finds one missed)"
                    : "Gates (exit code 3 when one is missed)");
  options.add(
      "--min-retention SHARE", gates.min_retention,
      "Least share of the reference's score that every variant must keep, e.g. 0.99. A limit inside the paired interval is reported as undecided." +
          chooses);
  options.add("--max-kl NATS", gates.max_kl, "Largest mean KL divergence from the reference." + chooses);
  options.add("--max-bytes SIZE", gates.max_bytes, "Largest download of one variant.");
  if (command == GatedCommand::kCompare) {
    options.add("--max-regression SHARE", gates.max_regression,
                "Largest loss of retention against the older report, e.g. 0.005.");
  }
  options.add("--junit FILE", gates.junit, "Also write the verdicts as JUnit XML.",
              {.completes = Completes::kFiles});
}

GateLimits limits_of(const GateOptions& gates) {
  GateLimits limits{gates.min_retention, gates.max_kl, {}, gates.max_regression};
  if (gates.max_bytes) limits.max_bytes = gates.max_bytes->bytes;
  return limits;
}

std::string describe_gates(const Report& report) {
  std::string text;
  for (const Gate& gate : report.gates) {
    const char* mark = gate.verdict == Gate::Verdict::kPassed   ? "passed   "
                       : gate.verdict == Gate::Verdict::kMissed ? "MISSED   "
                                                                : "undecided";
    text += fmt::format("{}  {}  {}\n", mark, gate.name, gate.text);
  }
  return text;
}

}  // namespace bantam

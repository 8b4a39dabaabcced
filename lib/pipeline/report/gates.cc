#include "pipeline/report/gates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/units.h"
#include "calibrate/metrics/bootstrap.h"
#include "pipeline/report/svg.h"

namespace bantam {
namespace {

using Verdict = Gate::Verdict;

Gate retention_gate(const Report& report, const VariantReport& variant, double limit) {
  Gate gate{"--min-retention", variant.dtype, limit, 0, Verdict::kPassed, {}};
  if (!variant.first_nonfinite.empty()) {
    gate.verdict = Verdict::kMissed;
    gate.text = fmt::format("{}: nothing is retained, {} gives NaN or infinity", variant.dtype,
                            variant.first_nonfinite);
    return gate;
  }
  if (!variant.retention) {
    gate.value = variant.agreement.cosine_mean;
    gate.verdict = gate.value >= limit ? Verdict::kPassed : Verdict::kMissed;
    gate.text = fmt::format("{}: mean cosine {:.5f}, at least {} wanted (no labels)", variant.dtype,
                            gate.value, limit);
    return gate;
  }
  const Estimate& retention = *variant.retention;
  gate.value = retention.value;
  gate.text = fmt::format("{}: retention {:.4f} [{:.4f}, {:.4f}], at least {} wanted", variant.dtype,
                          retention.value, retention.low, retention.high, limit);
  if (limit > retention.high) {
    gate.verdict = Verdict::kMissed;
  } else if (limit > retention.low) {
    gate.verdict = Verdict::kUndecided;
    const std::int64_t needed =
        samples_to_decide({retention.value, retention.low, retention.high}, limit, report.samples);
    gate.text += needed == 0
                     ? "; undecided, and no number of samples would decide"
                     : fmt::format("; undecided: about {} samples would decide", format_count(needed));
  }
  return gate;
}

double half_width(const Estimate& estimate) {
  return std::max(estimate.high - estimate.value, estimate.value - estimate.low);
}

Gate regression_gate(const VariantReport& now, const VariantReport& before, double limit) {
  Gate gate{"--max-regression", now.dtype, limit, 0, Verdict::kPassed, {}};
  double noise = 0;
  if (now.retention && before.retention) {
    gate.value = before.retention->value - now.retention->value;
    noise = std::hypot(half_width(*now.retention), half_width(*before.retention));
  } else {
    gate.value = before.agreement.cosine_mean - now.agreement.cosine_mean;
  }
  gate.text = fmt::format("{}: lost {:.4f} since the earlier report, at most {} allowed", now.dtype,
                          gate.value, limit);
  if (gate.value - noise > limit) {
    gate.verdict = Verdict::kMissed;
  } else if (gate.value > limit) {
    gate.verdict = Verdict::kUndecided;
    gate.text += fmt::format("; undecided: the data tells differences of {:.4f} and more", noise);
  }
  return gate;
}

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed:
      return "passed";
    case Verdict::kMissed:
      return "missed";
    case Verdict::kUndecided:
      return "undecided";
  }
  BANTAM_ASSERT(false);
}

}  // namespace

std::vector<Gate> check_gates(const Report& report, const GateLimits& limits) {
  std::vector<Gate> gates;
  for (const VariantReport& variant : report.variants) {
    if (limits.min_retention) gates.push_back(retention_gate(report, variant, *limits.min_retention));
    if (limits.max_kl && !variant.agreement.kl.empty()) {
      const double kl = variant.agreement.kl_mean;
      gates.push_back(
          {"--max-kl", variant.dtype, *limits.max_kl, kl,
           kl <= *limits.max_kl ? Verdict::kPassed : Verdict::kMissed,
           fmt::format("{}: mean KL {:.3g}, at most {} wanted", variant.dtype, kl, *limits.max_kl)});
    }
    if (limits.max_bytes) {
      gates.push_back({"--max-bytes", variant.dtype, static_cast<double>(*limits.max_bytes),
                       static_cast<double>(variant.bytes),
                       variant.bytes <= *limits.max_bytes ? Verdict::kPassed : Verdict::kMissed,
                       fmt::format("{}: {} bytes, at most {} wanted", variant.dtype,
                                   format_count(variant.bytes), format_count(*limits.max_bytes))});
    }
    if (!variant.first_nonfinite.empty() && limits.any()) {
      gates.push_back({"finite", variant.dtype, 0, 0, Verdict::kMissed,
                       fmt::format("{}: {} gives NaN or infinity", variant.dtype, variant.first_nonfinite)});
    }
  }
  return gates;
}

std::vector<Gate> check_gates(const Report& report, const GateLimits& limits, const Report& before) {
  std::vector<Gate> gates = check_gates(report, limits);
  if (!limits.max_regression) return gates;
  for (const VariantReport& variant : report.variants) {
    const auto same = std::find_if(before.variants.begin(), before.variants.end(),
                                   [&](const VariantReport& v) { return v.dtype == variant.dtype; });
    if (same != before.variants.end())
      gates.push_back(regression_gate(variant, *same, *limits.max_regression));
  }
  return gates;
}

bool any_missed(const std::vector<Gate>& gates) {
  return std::any_of(gates.begin(), gates.end(),
                     [](const Gate& gate) { return gate.verdict == Verdict::kMissed; });
}

std::string junit_xml(const Report& report) {
  std::int64_t missed = 0, undecided = 0;
  for (const Gate& gate : report.gates) {
    missed += gate.verdict == Verdict::kMissed ? 1 : 0;
    undecided += gate.verdict == Verdict::kUndecided ? 1 : 0;
  }
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  xml += fmt::format("<testsuite name=\"bantam {}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
                     escape_html(report.model), report.gates.size(), missed, undecided);
  for (const Gate& gate : report.gates) {
    xml += fmt::format("  <testcase classname=\"{}\" name=\"{}\">", escape_html(gate.dtype),
                       escape_html(gate.name));
    if (gate.verdict == Verdict::kMissed)
      xml += fmt::format("<failure message=\"{}\"/>", escape_html(gate.text));
    if (gate.verdict == Verdict::kUndecided)
      xml += fmt::format("<skipped message=\"{}\"/>", escape_html(gate.text));
    if (gate.verdict == Verdict::kPassed)
      xml += fmt::format("<system-out>{}: {}</system-out>", word(gate.verdict), escape_html(gate.text));
    xml += "</testcase>\n";
  }
  return xml + "</testsuite>\n";
}

}  // namespace bantam

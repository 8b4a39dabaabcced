#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/report/report.h"

namespace bantam {

// Limits that a CI job sets. A variant that breaks one makes the command end with exit code 3.
struct GateLimits {
  std::optional<double> min_retention;    // of the score; of the mean cosine where there are no labels
  std::optional<double> max_kl;           // mean KL divergence, nats
  std::optional<std::int64_t> max_bytes;  // graph and weights of one variant
  std::optional<double> max_regression;   // of retention, against an earlier report (compare)

  bool any() const { return min_retention || max_kl || max_bytes || max_regression; }
};

// One verdict per limit and variant. A retention limit inside the paired interval is undecided: the data
// cannot tell, and the text says how many samples could.
std::vector<Gate> check_gates(const Report& report, const GateLimits& limits);
// The same, and max_regression against `before` for the dtypes that both have.
std::vector<Gate> check_gates(const Report& report, const GateLimits& limits, const Report& before);

bool any_missed(const std::vector<Gate>& gates);

// JUnit XML with one test case per gate, for CI systems that show it. Undecided gates are skipped cases.
std::string junit_xml(const Report& report);

}  // namespace bantam

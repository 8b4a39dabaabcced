#pragma once

#include <string>

#include "pipeline/report/report.h"

namespace bantam {

// What `evaluate` prints: what was measured, a row per variant, the verdicts.
std::string describe_report(const Report& report);

}  // namespace bantam

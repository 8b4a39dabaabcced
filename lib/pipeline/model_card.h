#pragma once

#include <string>
#include <string_view>

#include "pipeline/plan.h"
#include "pipeline/report/report.h"

namespace bantam {

inline constexpr std::string_view kModelCard = "README.md";

// README.md of a bundle: where the model comes from and under which licence, its files, what was compressed
// how, how to load it, and with a report what the compression cost. Says plainly that this is a compressed
// version.
std::string model_card(const Plan& plan, const Report* report);

}  // namespace bantam

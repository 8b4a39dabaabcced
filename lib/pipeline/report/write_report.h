#pragma once

#include <array>
#include <filesystem>
#include <string_view>

#include "pipeline/report/report.h"

namespace bantam {

inline constexpr std::array<std::string_view, 3> kReportFiles = {"report.json", "report.md", "report.html"};

// report.json, report.md and report.html in a folder, which is made if need be; older ones are replaced.
void write_report(const Report& report, const std::filesystem::path& directory);

}  // namespace bantam

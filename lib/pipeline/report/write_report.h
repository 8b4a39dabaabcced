#pragma once

#include <filesystem>

#include "pipeline/report/report.h"

namespace bantam {

// report.json, report.md and report.html in a folder, which is made if need be; older ones are replaced.
void write_report(const Report& report, const std::filesystem::path& directory);

}  // namespace bantam

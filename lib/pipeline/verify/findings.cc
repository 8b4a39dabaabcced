#include "pipeline/verify/findings.h"

#include <algorithm>

namespace bantam {

std::string_view name(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

std::int64_t Findings::count(Severity severity) const {
  return std::ranges::count(all_, severity, &Finding::severity);
}

std::int64_t Findings::count(std::string_view check, Severity severity) const {
  return std::ranges::count_if(
      all_, [&](const Finding& finding) { return finding.check == check && finding.severity == severity; });
}

void Findings::add(Severity severity, std::string_view file, std::string message) {
  for (const Finding& known : all_) {
    if (known.file == file && known.message == message) return;
  }
  all_.push_back({severity, check_, std::string(file), std::move(message)});
}

}  // namespace bantam

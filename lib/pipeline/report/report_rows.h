#pragma once

#include <string>
#include <vector>

#include "pipeline/report/report.h"

namespace bantam {

// One column of the comparison of variants: the terminal, Markdown and HTML tables are made of the same list.
struct ReportColumn {
  std::string title;
  bool number = true;
  std::string help;                // what the figure means
  std::vector<std::string> cells;  // one per variant
};

// A variant that gave NaN or infinity: its figures mean nothing.
bool is_broken(const VariantReport& variant);

// Columns that have something to say in this report (no score without labels, no KL where outputs are
// embeddings).
std::vector<ReportColumn> report_columns(const Report& report);

std::string format_estimate(const Estimate& estimate);  // "0.7924 [0.772, 0.812]"
// One sentence that judges the variants: what to ship, what to look at.
std::string report_summary(const Report& report);

}  // namespace bantam

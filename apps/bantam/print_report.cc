#include "print_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/table.h"
#include "base/units.h"
#include "gate_options.h"
#include "pipeline/report/report_rows.h"

namespace bantam {
namespace {

// What a reader wants to see of the layers: where each variant loses most.
std::string worst_layers(const Report& report) {
  std::string text;
  for (const VariantReport& variant : report.variants) {
    const auto worst = std::ranges::min_element(variant.layers, {}, &LayerError::sqnr_db);
    if (worst == variant.layers.end() || worst->sqnr_db > 100 || is_broken(variant))
      continue;  // the summary names those
    text += fmt::format("{:<6}  lowest signal to noise: {:.1f} dB at {}\n", variant.dtype, worst->sqnr_db,
                        printable(worst->name));
  }
  return text.empty() ? text : "\n" + text;
}

}  // namespace

std::string describe_report(const Report& report) {
  std::string text = fmt::format("{}: {}, {} samples of {}\n", printable(report.model), report.task,
                                 format_count(report.samples), printable(report.data));
  text += fmt::format("Reference: {}", printable(report.reference));
  if (report.reference_score) {
    text += fmt::format("; {} {}", report.metric, format_estimate(*report.reference_score));
  }
  text += "\n\n";
  std::vector<Table::Column> titles;
  const std::vector<ReportColumn> columns = report_columns(report);
  for (const ReportColumn& column : columns) {
    titles.push_back({column.title, column.number ? Align::kRight : Align::kLeft});
  }
  Table table(std::move(titles));
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    std::vector<std::string> row;
    for (const ReportColumn& column : columns) row.push_back(column.cells[v]);
    table.add_row(std::move(row));
  }
  text += table.text() + worst_layers(report) + "\n" + report_summary(report) + "\n";
  for (const std::string& note : report.notes) text += "Note: " + printable(note) + "\n";
  if (!report.gates.empty()) text += "\n" + describe_gates(report);
  return text;
}

}  // namespace bantam

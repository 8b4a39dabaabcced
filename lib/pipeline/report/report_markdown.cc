#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "pipeline/report/report.h"
#include "pipeline/report/report_rows.h"

namespace bantam {
namespace {

// Names come from files: nothing in them may open a link, a tag or a table cell.
std::string escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("\\`*_{}[]<>()#|!~").find(c) != std::string_view::npos) result += '\\';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result;
}

// A few of a frontier's points, and the chosen one among them.
std::vector<BudgetFrontier::Point> shown(const BudgetFrontier& frontier) {
  constexpr std::size_t kRows = 8;
  std::vector<BudgetFrontier::Point> points;
  for (const std::size_t i : evenly_spaced(frontier.points.size(), kRows)) {
    const BudgetFrontier::Point& point = frontier.points[i];
    // The chosen one takes the place of its own estimate.
    if (point.expected != frontier.chosen.expected) points.push_back(point);
  }
  points.push_back(frontier.chosen);
  std::ranges::sort(points, {}, &BudgetFrontier::Point::bytes);
  return points;
}

}  // namespace

std::string report_markdown(const Report& report) {
  std::string text =
      fmt::format("## {}: quality after compression\n\n{}\n\n", escape(report.model), report_summary(report));
  text += fmt::format("{} samples of `{}`, task {}, reference: {}.", report.samples, escape(report.data),
                      report.task, escape(report.reference));
  if (report.reference_score)
    text += fmt::format(" Reference {}: {}.", report.metric, format_estimate(*report.reference_score));
  text += "\n\n";
  const std::vector<ReportColumn> columns = report_columns(report);
  for (const ReportColumn& column : columns) text += "| " + column.title + " ";
  text += "|\n";
  for (const ReportColumn& column : columns) text += column.number ? "|--:" : "|:--";
  text += "|\n";
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    for (const ReportColumn& column : columns) text += "| " + column.cells[v] + " ";
    text += "|\n";
  }
  if (!report.gates.empty()) text += "\n### Gates\n\n";
  for (const Gate& gate : report.gates) {
    const char* mark = gate.verdict == Gate::Verdict::kPassed   ? "✅"
                       : gate.verdict == Gate::Verdict::kMissed ? "❌"
                                                                : "❔";
    text += fmt::format("- {} {}\n", mark, escape(gate.text));
  }
  for (const BudgetFrontier& frontier : report.frontiers) {
    text +=
        fmt::format("\n### Bits within the budget, {}\n\n| bytes | expected {} | measured |\n|--:|--:|--:|\n",
                    frontier.dtype, frontier.unit);
    for (const BudgetFrontier::Point& point : shown(frontier)) {
      const bool chosen = point.bytes == frontier.chosen.bytes && point.expected == frontier.chosen.expected;
      text += fmt::format("| {}{} | {:.4g} | {} |\n", format_count(point.bytes), chosen ? ", chosen" : "",
                          point.expected, point.measured ? fmt::format("{:.4g}", *point.measured) : "");
    }
  }
  for (const std::string& note : report.notes) text += "\n> " + escape(note) + "\n";
  return text;
}

}  // namespace bantam

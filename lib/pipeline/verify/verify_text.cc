#include <fmt/format.h>

#include <algorithm>

#include "base/table.h"
#include "base/units.h"
#include "pipeline/verify/op_support.h"
#include "pipeline/verify/verify.h"

namespace bantam {
namespace {

constexpr std::size_t kShown = 200;

std::string count_of(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string headline(const VerifyResult& result) {
  std::int64_t errors = 0, warnings = 0;
  for (const CheckResult& check : result.checks) {
    errors += check.errors;
    warnings += check.warnings;
  }
  std::string text = result.path + ": ";
  text += errors == 0 ? std::string("sound") : "BROKEN, " + count_of(errors, "error");
  if (warnings > 0) text += ", " + count_of(warnings, "warning");
  for (const std::string& word : {result.model_type, result.task}) text += word.empty() ? "" : ", " + word;
  text += fmt::format("; {}, {}", count_of(result.files, "file"), format_bytes(result.bytes));
  return printable(text) + "\n";
}

std::string findings_text(const std::vector<Finding>& findings, Severity severity) {
  std::string text;
  std::size_t shown = 0;
  for (const Finding& finding : findings) {
    if (finding.severity != severity) continue;
    if (++shown > kShown) continue;
    text += printable(fmt::format("{}: {}{}{}", name(severity), finding.file,
                                  finding.file.empty() ? "" : ": ", finding.message)) +
            "\n";
  }
  if (shown > kShown) text += fmt::format("... and {} more (--json has all)\n", shown - kShown);
  return text;
}

std::string outlook_table(const VerifyResult& result) {
  if (result.variants.empty()) return {};
  std::vector<Table::Column> columns = {{"dtype"}, {"size", Align::kRight}};
  for (const Device device : devices()) columns.push_back({std::string(name(device))});
  Table table(std::move(columns));
  std::string notes;
  for (const VariantOutlook& variant : result.variants) {
    std::vector<std::string> row = {variant.dtype, format_bytes(variant.bytes)};
    std::string last;
    for (const Outlook& outlook : variant.outlooks) {
      row.push_back(std::string(name(outlook.verdict)) + (outlook.is_default ? " (default)" : ""));
      if (outlook.reason.empty() || outlook.reason == last) continue;
      last = outlook.reason;
      notes +=
          printable(fmt::format("{} on {}: {}", variant.dtype, name(outlook.device), outlook.reason)) + "\n";
    }
    table.add_row(std::move(row));
  }
  return "\n" + table.text() + (notes.empty() ? "" : "\n" + notes);
}

}  // namespace

std::string describe_verification(const VerifyResult& result) {
  std::string text = headline(result);
  text += findings_text(result.findings, Severity::kError);
  text += findings_text(result.findings, Severity::kWarning);
  text += outlook_table(result);
  std::vector<Forecast> forecasts;
  for (const VariantOutlook& variant : result.variants) {
    if (variant.forecast) forecasts.push_back(*variant.forecast);
  }
  if (!forecasts.empty()) text += "\n" + describe_forecasts(forecasts);
  text += fmt::format("\nBy the rules of transformers.js {} and the kernels of onnxruntime-web {}.\n",
                      kTransformersJs, kOrtWeb);
  return text;
}

}  // namespace bantam

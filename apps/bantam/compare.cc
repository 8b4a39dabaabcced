#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/table.h"
#include "base/units.h"
#include "command.h"
#include "gate_options.h"
#include "pipeline/report/gates.h"
#include "pipeline/report/report.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

struct Arguments {
  std::string before;
  std::string after;
  GateOptions gates;
  bool json = false;
};

// A report.json, or the folder of a bundle or report that holds one.
Report open_report(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return read_report(path);
  const fs::path inside = fs::path(path) / "report.json";
  if (!fs::exists(inside, ignored))
    fail("{}: holds no report.json; bantam evaluate --report writes one", path);
  return read_report(inside.string());
}

std::string change(double before, double after, int digits) {
  return fmt::format("{:+.{}f}", after - before, digits);
}

std::string describe(const Report& before, const Report& after) {
  Table table({{"dtype"},
               {"size", Align::kRight},
               {"change", Align::kRight},
               {after.metric.empty() ? "cosine" : after.metric, Align::kRight},
               {"change", Align::kRight},
               {"retention", Align::kRight},
               {"change", Align::kRight},
               {"KL mean", Align::kRight},
               {"was", Align::kRight}});
  for (const VariantReport& now : after.variants) {
    const auto was = std::find_if(before.variants.begin(), before.variants.end(),
                                  [&](const VariantReport& v) { return v.dtype == now.dtype; });
    const bool known = was != before.variants.end();
    const double score = now.score ? now.score->value : now.agreement.cosine_mean;
    std::vector<std::string> row = {now.dtype, format_bytes(now.bytes)};
    row.push_back(
        known ? fmt::format("{:+.1f} %",
                            100.0 * (static_cast<double>(now.bytes) / static_cast<double>(was->bytes) - 1))
              : "new");
    row.push_back(fmt::format("{:.4f}", score));
    row.push_back(known ? change(was->score ? was->score->value : was->agreement.cosine_mean, score, 4) : "");
    row.push_back(now.retention ? fmt::format("{:.4f}", now.retention->value) : "");
    row.push_back(known && now.retention && was->retention
                      ? change(was->retention->value, now.retention->value, 4)
                      : "");
    row.push_back(fmt::format("{:.3g}", now.agreement.kl_mean));
    row.push_back(known ? fmt::format("{:.3g}", was->agreement.kl_mean) : "");
    table.add_row(std::move(row));
  }
  std::string text = table.text();
  for (const VariantReport& was : before.variants) {
    const auto same = [&](const VariantReport& v) { return v.dtype == was.dtype; };
    if (std::none_of(after.variants.begin(), after.variants.end(), same)) text += was.dtype + " is gone.\n";
  }
  return text;
}

ExitCode run(const Arguments& arguments, const Console& console) {
  const Report before = open_report(arguments.before);
  Report after = open_report(arguments.after);
  if (before.task != after.task || before.metric != after.metric) {
    fail("{} measures {} ({}), {} measures {} ({}): they cannot be compared", arguments.before, before.task,
         before.metric, arguments.after, after.task, after.metric);
  }
  if (before.data != after.data || before.samples != after.samples) {
    console.progress.note(fmt::format("the reports are of different data: {} samples of {} and {} of {}",
                                      before.samples, before.data, after.samples, after.data));
  }
  after.gates = check_gates(after, limits_of(arguments.gates), before);
  if (arguments.gates.junit) {
    replace_text_file(*arguments.gates.junit, junit_xml(after));
  }
  console.print(arguments.json ? report_json(after) : describe(before, after) + describe_gates(after));
  return any_missed(after.gates) ? ExitCode::kGateMissed : ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam compare old/report.json new/report.json",
                 "Show what changed between two versions of a bundle."},
    UsageExample{
        "bantam compare old-bundle new-bundle --min-retention 0.99 --max-regression 0.005 --junit gates.xml",
        "Fail a CI job (exit code 3) when a variant lost too much."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional("OLD", arguments->before, "A report.json, or a folder that holds one.",
                     {.required = true, .completes = Completes::kFiles});
  options.positional("NEW", arguments->after, "The one to judge.",
                     {.required = true, .completes = Completes::kFiles});
  declare_gates(options, arguments->gates, GatedCommand::kCompare);
  options.add("--json", arguments->json, "Print the new report with its gates as JSON.");
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command compare_command;
constinit const Command compare_command{
    .name = "compare",
    .summary = "compare two quality reports and hold gates",
    .description =
        "Reads two reports of bantam evaluate and shows per variant how size, score, retention and KL divergence changed. Gates turn "
        "it into a check for CI: exit code 3 when one is missed. A limit that lies inside the measured interval is undecided, and "
        "the output says how many samples would decide.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam

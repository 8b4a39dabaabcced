#include "print_plan.h"

#include <fmt/format.h>

#include "base/table.h"
#include "base/units.h"

namespace bantam {
namespace {

std::string model_line(const Plan& plan) {
  return fmt::format("{}: {}, {}, {} parameters\n", printable(plan.checkpoint.source), plan.model.family,
                     name(plan.model.task), format_count(parameter_count(plan)));
}

Table variants_table(const Plan& plan) {
  Table table({{"dtype"},
               {"files"},
               {"shards", Align::kRight},
               {"bytes", Align::kRight},
               {"size", Align::kRight},
               {"bits/weight", Align::kRight},
               {"of fp32", Align::kRight}});
  const std::int64_t count = parameter_count(plan);
  for (const PlannedVariant& variant : plan.variants) {
    const std::int64_t bytes = payload_bytes(variant);
    table.add_row(
        {std::string(name(variant.variant.dtype)), "onnx/" + variant.layout.onnx_name,
         std::to_string(variant.layout.shards.size()), format_count(bytes), format_bytes(bytes),
         fmt::format("{:.2f}", 8.0 * static_cast<double>(bytes) / static_cast<double>(count)),
         fmt::format("{:.0f} %", 100.0 * static_cast<double>(bytes) / (4.0 * static_cast<double>(count)))});
  }
  return table;
}

std::string tensors_table(const Plan& plan) {
  std::vector<Table::Column> columns = {{"tensor"}, {"role"}, {"shape", Align::kRight}, {"source"}};
  for (const PlannedVariant& variant : plan.variants) {
    columns.push_back({std::string(name(variant.variant.dtype))});
    columns.push_back({"bytes", Align::kRight});
  }
  Table table(std::move(columns));
  for (std::size_t w = 0; w < plan.model.graph.weights.size(); ++w) {
    const Weight& weight = plan.model.graph.weights[w];
    const TensorSpec& spec = weight.source->spec();
    std::vector<std::string> row = {weight.name, std::string(name(weight.role)), to_string(spec.shape),
                                    std::string(name(spec.dtype))};
    for (const PlannedVariant& variant : plan.variants) {
      std::int64_t bytes = 0;
      for (const PartPlace& place : variant.layout.places[w]) bytes += place.bytes;
      row.push_back(encoding(variant.graph.weights[w]));
      row.push_back(format_count(bytes));
    }
    table.add_row(std::move(row));
  }
  return table.text();
}

// What a run holds before it writes: only the writing streams.
std::string measuring(const Plan& plan) {
  const Recipe& recipe = plan.recipe;
  const bool runs = recipe.calibrate || recipe.budget || recipe.goal;
  if (!runs && recipe.stats.empty()) return {};
  std::string text = " while weights are written";
  if (runs)
    text += fmt::format("; before, the float model runs ({} of weights, and its activations)",
                        format_bytes(4 * parameter_count(plan)));
  if (recipe.calibrate || !recipe.stats.empty())
    text += fmt::format("; of statistics at most {} are kept (--stats-memory)",
                        format_bytes(recipe.stats_memory));
  return text;
}

}  // namespace

std::string describe_plan(const Plan& plan) {
  std::string text =
      model_line(plan) + "\n" + tensors_table(plan) + "\n" + variants_table(plan).text() + "\n";
  Table files({{"file"}, {"bytes", Align::kRight}, {""}});
  std::int64_t total = 0;
  bool exact = true;
  for (const PlannedFile& file : planned_files(plan)) {
    files.add_row({file.name, format_count(file.bytes), file.exact ? "" : "at most"});
    total += file.bytes;
    exact &= file.exact;
  }
  files.add_rule();
  files.add_row({"total", format_count(total), exact ? "" : "at most"});
  text += files.text() + "\n";
  text += describe_forecasts(forecasts(plan)) + "\n";
  text += fmt::format("Peak memory at most {} with {} threads{}. Nothing was written.\n",
                      format_bytes(memory_bound(plan)), plan.recipe.threads, measuring(plan));
  bool half = false;
  for (const PlannedVariant& variant : plan.variants) half |= info(variant.variant.dtype).half;
  if (half)
    text +=
        "Float16 variants assume that every weight is within float16's range; the run measures it first.\n";
  for (const std::string& note : plan.notes) text += "Note: " + printable(note) + "\n";
  return text;
}

std::string describe_result(const Plan& plan, const BundleResult& result, double seconds) {
  std::int64_t total = 0;
  for (const FileEntry& file : result.files) total += file.bytes;
  return model_line(plan) + "\n" + variants_table(plan).text() +
         fmt::format("\nBundle: {} ({} files, {}) in {}\n", printable(plan.recipe.output.string()),
                     result.files.size(), format_bytes(total), format_seconds(seconds));
}

}  // namespace bantam

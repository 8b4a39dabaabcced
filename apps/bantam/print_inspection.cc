#include "print_inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "base/table.h"
#include "base/units.h"

namespace bantam {
namespace {

constexpr std::size_t kLargest = 10;

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string headline(const Inspection& inspection) {
  std::string line = fmt::format("{}: {}", inspection.path, name(inspection.kind));
  const std::string& family = inspection.family.empty() ? inspection.model_type : inspection.family;
  for (const std::string& word : {family, inspection.task}) {
    if (!word.empty()) line += ", " + word;
  }
  line += fmt::format(", {} parameters, {}", format_count(inspection.parameters),
                      format_bytes(inspection.bytes()));
  return printable(line) + "\n";
}

std::string totals_table(const std::string& title, const std::vector<TensorTotal>& totals) {
  if (totals.empty()) return {};
  Table table({{title}, {"tensors", Align::kRight}, {"elements", Align::kRight}, {"bytes", Align::kRight}});
  TensorTotal sum;
  for (const TensorTotal& total : totals) {
    table.add_row({or_dash(total.name), format_count(total.tensors), format_count(total.elements),
                   format_count(total.bytes)});
    sum.tensors += total.tensors;
    sum.elements += total.elements;
    sum.bytes += total.bytes;
  }
  if (totals.size() > 1) {
    table.add_rule();
    table.add_row({"total", format_count(sum.tensors), format_count(sum.elements), format_count(sum.bytes)});
  }
  return "\n" + table.text();
}

std::string tensors_table(const std::vector<InspectedTensor>& tensors, bool all) {
  std::vector<const InspectedTensor*> shown;
  for (const InspectedTensor& tensor : tensors) shown.push_back(&tensor);
  std::string title = fmt::format("All {} tensors", tensors.size());
  if (!all && shown.size() > kLargest) {
    std::ranges::stable_sort(shown, std::ranges::greater(), &InspectedTensor::bytes);
    shown.resize(kLargest);
    title = fmt::format("The largest {} of {} tensors (--all lists every one)", kLargest, tensors.size());
  }
  const bool roles = std::ranges::any_of(shown, [](const InspectedTensor* t) { return !t->role.empty(); });
  std::vector<Table::Column> columns = {
      {"tensor"}, {"dtype"}, {"shape", Align::kRight}, {"bytes", Align::kRight}};
  if (roles) columns.push_back({"role"});
  Table table(std::move(columns));
  for (const InspectedTensor* tensor : shown) {
    std::vector<std::string> row = {tensor->name, tensor->dtype, to_string(tensor->shape),
                                    format_count(tensor->bytes)};
    if (roles) row.push_back(or_dash(tensor->role));
    table.add_row(std::move(row));
  }
  return fmt::format("\n{}:\n{}", title, table.text());
}

std::string dims_text(const InspectedValue& value) {
  if (!value.has_dims) return "any rank";
  std::string text;
  for (const Dim& dim : value.dims) {
    text += text.empty() ? "" : ", ";
    text += dim.is_fixed() ? fmt::format("{}", dim.value) : dim.symbol.empty() ? "?" : dim.symbol;
  }
  return "[" + text + "]";
}

std::string values_table(const InspectedGraph& graph) {
  if (graph.ir_version == 0) return {};
  Table table({{""}, {"name"}, {"dtype"}, {"dims"}});
  for (const InspectedValue& value : graph.inputs)
    table.add_row({"input", value.name, or_dash(value.dtype), dims_text(value)});
  for (const InspectedValue& value : graph.outputs)
    table.add_row({"output", value.name, or_dash(value.dtype), dims_text(value)});
  return "\n" + table.text();
}

std::string opsets_text(const InspectedGraph& graph) {
  std::string text;
  for (const auto& [domain, version] : graph.opsets) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", domain.empty() ? "ai.onnx" : domain, version);
  }
  return fmt::format("Opsets: {}; IR {}\n", printable(text), graph.ir_version);
}

std::string op_name(const OpCount& op) {
  return op.domain.empty() ? op.type : op.domain + "." + op.type;
}

// One row per key, one column per variant.
class CrossTable {
 public:
  CrossTable(const std::string& title, const std::vector<InspectedVariant>& variants)
      : columns_(variants.size()), sums_(variants.size()) {
    std::vector<Table::Column> header = {{title}};
    for (const InspectedVariant& variant : variants) header.push_back({variant.dtype, Align::kRight});
    table_ = std::make_unique<Table>(std::move(header));
  }
  void add(const std::string& key, std::size_t column, std::int64_t value) {
    const auto [row, is_new] = rows_.emplace(key, std::vector<std::int64_t>(columns_));
    if (is_new) order_.push_back(key);
    row->second[column] += value;
    sums_[column] += value;
  }
  std::string text() {
    for (const std::string& key : order_) table_->add_row(cells(key, rows_.at(key)));
    table_->add_rule();
    table_->add_row(cells("total", sums_));
    return "\n" + table_->text();
  }

 private:
  static std::vector<std::string> cells(const std::string& key, const std::vector<std::int64_t>& values) {
    std::vector<std::string> row = {or_dash(key)};
    for (const std::int64_t value : values) row.push_back(value == 0 ? "-" : format_count(value));
    return row;
  }
  std::size_t columns_;
  std::unique_ptr<Table> table_;
  std::map<std::string, std::vector<std::int64_t>> rows_;
  std::vector<std::string> order_;  // of first appearance
  std::vector<std::int64_t> sums_;
};

std::string variants_table(const Inspection& inspection) {
  Table table({{"variant"},
               {"file"},
               {"shards", Align::kRight},
               {"bytes", Align::kRight},
               {"size", Align::kRight},
               {"bits/weight", Align::kRight},
               {"default"}});
  for (const InspectedVariant& variant : inspection.variants) {
    const double bits = inspection.parameters == 0 ? 0
                                                   : 8.0 * static_cast<double>(variant.bytes) /
                                                         static_cast<double>(inspection.parameters);
    table.add_row({variant.dtype, variant.file, format_count(std::ssize(variant.shards)),
                   format_count(variant.bytes), format_bytes(variant.bytes), fmt::format("{:.2f}", bits),
                   variant.dtype == inspection.default_dtype ? "wasm" : ""});
  }
  return "\n" + table.text();
}

std::string bundle_tables(const Inspection& inspection) {
  const auto& variants = inspection.variants;
  CrossTable dtypes("bytes by dtype", variants), roles("bytes by role", variants),
      ops("nodes by op", variants);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    for (const TensorTotal& total : totals_by_dtype(variants[v].tensors))
      dtypes.add(total.name, v, total.bytes);
    for (const TensorTotal& total : totals_by_role(variants[v].tensors))
      roles.add(total.name, v, total.bytes);
    for (const OpCount& op : variants[v].graph.ops) ops.add(op_name(op), v, op.count);
  }
  std::vector<Forecast> forecasts;
  for (const InspectedVariant& variant : variants) forecasts.push_back(variant.forecast);
  return variants_table(inspection) + "\n" + describe_forecasts(forecasts) + dtypes.text() + roles.text() +
         ops.text();
}

std::string ops_table(const InspectedGraph& graph) {
  if (graph.ir_version == 0) return {};
  Table table({{"op"}, {"nodes", Align::kRight}});
  for (const OpCount& op : graph.ops) table.add_row({op_name(op), format_count(op.count)});
  return "\n" + table.text();
}

}  // namespace

std::string describe_inspection(const Inspection& inspection, bool all) {
  std::string text = headline(inspection);
  for (const std::string& note : inspection.notes) text += "Note: " + printable(note) + "\n";
  for (const auto& [key, value] : inspection.metadata)
    text += printable(fmt::format("Metadata: {} = {}", key, value)) + "\n";
  if (inspection.kind == InspectedKind::kBundle) {
    text += bundle_tables(inspection);
  } else {
    text += totals_table("dtype", totals_by_dtype(inspection.tensors));
    text += totals_table("role", totals_by_role(inspection.tensors));
    text += ops_table(inspection.graph);
  }
  text += values_table(inspection.graph);
  if (inspection.graph.ir_version != 0) text += opsets_text(inspection.graph);
  if (inspection.kind == InspectedKind::kBundle && all) {
    for (const InspectedVariant& variant : inspection.variants) {
      text += "\n" + variant.dtype + tensors_table(variant.tensors, true);
    }
    return text;
  }
  return text + tensors_table(inspection.tensors, all);
}

}  // namespace bantam

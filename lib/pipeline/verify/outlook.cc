#include "pipeline/verify/outlook.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "pipeline/verify/op_support.h"

namespace bantam {
namespace {

using Counts = std::map<std::string, std::int64_t>;

// "MatMulInteger 12, DynamicQuantizeLinear 12", most frequent first, at most four.
std::string listed(const Counts& counts) {
  std::vector<std::pair<std::string, std::int64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::ranges::greater(), &std::pair<std::string, std::int64_t>::second);
  std::string text;
  for (std::size_t i = 0; i < sorted.size() && i < 4; ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", sorted[i].first, sorted[i].second);
  }
  return sorted.size() > 4 ? text + ", ..." : text;
}

std::int64_t sum(const Counts& counts) {
  std::int64_t total = 0;
  for (const auto& [name, count] : counts) total += count;
  return total;
}

// Integers and truth values are shapes, masks and positions: small, and at home on the CPU.
bool is_heavy(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kU8 || dtype == DType::kI8;
}

// The nodes of one dtype's graphs, by where they cannot run.
struct Placement {
  Counts not_wasm, not_asyncify, not_webgpu, nowhere_webgpu, unknown;
  bool half = false;
  std::string too_new;
  std::vector<std::string> unread;

  void add(const Graph& graph) {
    if (too_new.empty()) too_new = bantam::too_new(graph);
    const std::vector<DType> types = value_types(graph);
    for (const Node& node : graph.nodes) add(node, deciding_type(node, types));
  }

  void add(const Node& node, DType dtype) {
    const OpSupport* op = find_op_support(node.domain, node.type);
    const std::string name =
        node.domain.empty() || node.domain == "com.microsoft" ? node.type : node.domain + "." + node.type;
    if (op == nullptr || !is_measured(dtype)) {
      ++unknown[name];
      return;
    }
    half |= dtype == DType::kF16;
    if (!holds(op->wasm, dtype)) ++not_wasm[name];
    const bool cpu = holds(op->asyncify, dtype);
    const bool gpu = holds(op->webgpu, dtype);
    if (!cpu) ++not_asyncify[name];
    if (!gpu && is_heavy(dtype)) ++not_webgpu[name];
    if (!gpu && !cpu) ++nowhere_webgpu[name];
  }
};

Outlook fails(Device device, std::string reason) {
  return {device, Verdict::kFails, false, false, std::move(reason)};
}

Outlook judge(Device device, const Placement& nodes) {
  if (!nodes.unread.empty())
    return {device, Verdict::kUnknown, false, false, nodes.unread.front() + " could not be read"};
  if (!nodes.too_new.empty()) return fails(device, nodes.too_new);
  const std::string no_kernel = "no kernel for ";
  if (device == Device::kWasm && !nodes.not_wasm.empty())
    return fails(device, no_kernel + listed(nodes.not_wasm));
  if (device == Device::kWasm && !nodes.not_asyncify.empty()) {
    return fails(
        device,
        fmt::format(
            "no CPU kernel for {} in the build that transformers.js 4 loads; plain onnxruntime-web has it",
            listed(nodes.not_asyncify)));
  }
  if (device == Device::kNode && !nodes.not_wasm.empty())
    return fails(device, no_kernel + listed(nodes.not_wasm));
  if (device == Device::kWebGpu && !nodes.nowhere_webgpu.empty()) {
    return fails(device, no_kernel + listed(nodes.nowhere_webgpu));
  }
  if (!nodes.unknown.empty()) {
    return {device, Verdict::kUnknown, false, false, "nobody measured " + listed(nodes.unknown)};
  }
  if (device == Device::kWebGpu && !nodes.not_webgpu.empty()) {
    return {device, Verdict::kPartly, false, false,
            fmt::format("{} nodes have no GPU kernel and run on the CPU, with copies between: {}",
                        sum(nodes.not_webgpu), listed(nodes.not_webgpu))};
  }
  if (device == Device::kWebGpu && nodes.half) {
    return {device, Verdict::kNeeds, false, false,
            "the adapter must have shader-f16, which some phones and older GPUs lack"};
  }
  return {device, Verdict::kRuns, false, false, {}};
}

bool is_default(const BundleView& view, Device device, const std::string& dtype) {
  if (!view.config) return false;
  const Json config = config_for(view.browser_config(), device);
  return std::ranges::all_of(view.sessions, [&](const std::string& session) {
    return default_dtype(config, session, device) == dtype;
  });
}

// A file of this dtype with an error: whatever its operators say, it does not work.
std::string broken(const BundleView& view, const Findings& findings, const std::string& dtype) {
  for (const SessionGraph& graph : view.graphs) {
    if (graph.dtype != dtype) continue;
    for (const Finding& finding : findings.all()) {
      const bool shard = finding.file.starts_with(graph.file + "_data") && !finding.file.ends_with(".gz") &&
                         !finding.file.ends_with(".zst");
      if (finding.severity == Severity::kError && (finding.file == graph.file || shard)) return finding.file;
    }
  }
  return {};
}

std::set<std::string> variant_files(const BundleView& view, const std::string& dtype) {
  std::set<std::string> files;
  for (const SessionGraph& graph : view.graphs) {
    if (graph.dtype != dtype) continue;
    files.insert(graph.file);
    if (!graph.external) continue;
    for (const ExternalTensor& tensor : graph.external->tensors) files.insert("onnx/" + tensor.location);
  }
  return files;
}

std::int64_t variant_bytes(const BundleView& view, const std::string& dtype) {
  std::int64_t bytes = 0;
  for (const std::string& file : variant_files(view, dtype)) bytes += view.bytes(file);
  return bytes;
}

Forecast forecast_of(const BundleView& view, const std::string& dtype) {
  ForecastInput input;
  input.dtype = dtype;
  for (const SessionGraph& graph : view.graphs) {
    if (graph.dtype == dtype) input.graphs.push_back(graph.graph.get());
  }
  for (const std::string& file : variant_files(view, dtype)) input.file_bytes.push_back(view.bytes(file));
  for (const auto& [name, file] : view.files) input.other_bytes += fetched_with_all(name) ? file.bytes : 0;
  input.generates = view.task() == "text-generation";
  return forecast(input);
}

}  // namespace

std::vector<VariantOutlook> outlook(const BundleView& view, const Findings& findings) {
  std::vector<VariantOutlook> variants;
  for (const std::string& dtype : view.dtypes()) {
    Placement nodes;
    for (const SessionGraph& graph : view.graphs) {
      if (graph.dtype != dtype) continue;
      if (graph.graph) {
        nodes.add(*graph.graph);
      } else {
        nodes.unread.push_back(graph.file);
      }
    }
    VariantOutlook variant{dtype, variant_bytes(view, dtype), {}, {}};
    if (nodes.unread.empty()) variant.forecast = forecast_of(view, dtype);
    const std::string bad = broken(view, findings, dtype);
    for (const Device device : devices()) {
      Outlook entry =
          bad.empty() || !nodes.too_new.empty() ? judge(device, nodes) : fails(device, bad + " is broken");
      entry.broken = !bad.empty();
      entry.is_default = is_default(view, device, dtype);
      variant.outlooks.push_back(std::move(entry));
    }
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace bantam

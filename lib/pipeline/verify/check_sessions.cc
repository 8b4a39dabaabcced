#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

std::string graph_file(std::string_view session, const ConsumerDtype& dtype) {
  return fmt::format("onnx/{}{}.onnx", session, dtype.suffix);
}

void collect_graphs(Verification& verification) {
  BundleView& view = verification.bundle;
  for (const std::string& session : view.sessions) {
    for (const ConsumerDtype& dtype : consumer_dtypes()) {
      std::string file = graph_file(session, dtype);
      if (view.exists(file))
        view.graphs.push_back({session, std::string(dtype.name), std::move(file), {}, {}});
    }
  }
  for (const auto& entry : view.files) {
    const std::string& file = entry.first;
    const bool known =
        std::ranges::any_of(view.graphs, [&](const SessionGraph& graph) { return graph.file == file; });
    if (file.ends_with(".onnx") && !known) {
      verification.findings.warning(file, "is no session file of {}: transformers.js never asks for it",
                                    view.model_type().empty() ? "this model" : quote(view.model_type()));
    }
  }
}

// A page that says { dtype } means all sessions of the model.
void check_dtypes(Verification& verification) {
  const BundleView& view = verification.bundle;
  const auto stated = view.browser_config().find("dtype");
  const bool mixed = stated != view.browser_config().end() && stated->is_object();
  for (const std::string& dtype : view.dtypes()) {
    for (const std::string& session : view.sessions) {
      const std::string file = graph_file(session, *find_consumer_dtype(dtype));
      if (view.exists(file)) continue;
      if (mixed) {
        verification.findings.warning(file, "is missing: a page that asks for {} in every session fails",
                                      dtype);
      } else {
        verification.findings.error(file, "is missing: a page that asks for {} fails", dtype);
      }
    }
  }
  if (view.dtypes().empty()) {
    verification.findings.error(
        "onnx", "holds no {}: there is no model to load",
        fmt::format("{}<suffix>.onnx", view.sessions.empty() ? "model" : view.sessions.front()));
  }
}

std::string asks_for(Device device) {
  return device == Device::kNode ? std::string("a script in Node that asks for no dtype")
                                 : fmt::format("a page that asks for no dtype on {}", name(device));
}

void check_defaults(Verification& verification, Device device) {
  const BundleView& view = verification.bundle;
  const Json config = config_for(view.browser_config(), device);
  for (const std::string& session : view.sessions) {
    const std::string dtype = default_dtype(config, session, device);
    const std::string file = graph_file(session, *find_consumer_dtype(dtype));
    if (!view.exists(file)) {
      verification.findings.error(file, "is missing: {} gets {}", asks_for(device), dtype);
    }
  }
}

// What is fetched beside each graph. transformers.js waits forever for a chunk that does not come. Node reads
// the graph's own locations.
void check_chunks(Verification& verification, Device device) {
  const BundleView& view = verification.bundle;
  const Json config = config_for(view.browser_config(), device);
  for (const SessionGraph& graph : view.graphs) {
    const std::int64_t count = chunk_count(config, graph.session, graph.base_name());
    if (count > kMaxChunks) {
      verification.findings.error("config.json",
                                  "asks for {} data files of {}; transformers.js takes at most {}", count,
                                  graph.base_name(), kMaxChunks);
      continue;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string chunk = "onnx/" + chunk_name(graph.base_name(), i);
      if (!view.exists(chunk)) {
        verification.findings.error(
            chunk, "is not there, and config.json says that {} has {} data files: pages wait for it forever",
            graph.base_name(), count);
      }
    }
  }
}

// Keys that look like file names and name no file: a typing error, or a file that was renamed.
void check_chunk_keys(Verification& verification) {
  const BundleView& view = verification.bundle;
  const auto map = view.browser_config().find("use_external_data_format");
  if (map == view.browser_config().end() || !map->is_object()) return;
  for (const auto& [key, count] : map->items()) {
    const bool is_session = std::ranges::find(view.sessions, key) != view.sessions.end();
    if (!is_session && !view.exists("onnx/" + key)) {
      verification.findings.warning("config.json", "use_external_data_format names {}, which is not there",
                                    quote(key));
    }
    if (is_session && view.dtypes().size() > 1) {
      verification.findings.warning(
          "config.json",
          "use_external_data_format counts the files of {} for all dtypes at once; full file names keep them apart",
          quote(key));
    }
  }
}

}  // namespace

void check_sessions(Verification& verification) {
  BundleView& view = verification.bundle;
  view.sessions = view.config ? session_names(*view.config) : std::vector<std::string>{"model"};
  collect_graphs(verification);
  check_dtypes(verification);
  if (!view.config || view.graphs.empty()) return;
  for (const Device device : devices()) {
    check_defaults(verification, device);
    if (device != Device::kNode) check_chunks(verification, device);
  }
  check_chunk_keys(verification);
}

}  // namespace bantam

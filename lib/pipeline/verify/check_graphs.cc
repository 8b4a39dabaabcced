#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/parallel.h"
#include "graph/onnx_import.h"
#include "graph/unsupported.h"
#include "pipeline/bundle_model.h"
#include "pipeline/verify/checks.h"
#include "pipeline/verify/op_support.h"
#include "runtime/session.h"

namespace bantam {
namespace {

// Messages of readers begin with the path of the file.
std::string without_path(const std::string& message, const std::filesystem::path& path) {
  const std::string prefix = path.string() + ": ";
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

// Whether every file that the graph reads is there; those that are not have been named.
bool complete(const BundleView& view, const SessionGraph& graph) {
  if (!graph.external) return false;
  for (const ExternalTensor& tensor : graph.external->tensors) {
    if (!view.usable("onnx/" + tensor.location)) return false;
  }
  return true;
}

void run_once(const Session& session) {
  Encoding encoding;
  for (const std::int64_t id : {1, 2, 3, 4}) {
    encoding.ids.push_back(id);
    encoding.type_ids.push_back(0);
    encoding.attention_mask.push_back(1);
  }
  session.run(token_inputs(session.inputs(), std::span(&encoding, 1)));
}

void check_graph(Verification& verification, SessionGraph& graph) {
  const std::filesystem::path path = verification.bundle.path(graph.file);
  try {
    graph.graph = std::make_shared<const Graph>(import_onnx(path));
    if (const std::string reason = too_new(*graph.graph); !reason.empty()) {
      verification.findings.error(graph.file, "{}", reason);
      return;
    }
    const Session session = Session::open(path, {.threads = verification.options.threads});
    if (verification.options.run) run_once(session);
  } catch (const Unsupported& error) {
    // Bantam writes nothing that it cannot run; others do.
    if (verification.bundle.manifest) {
      verification.findings.error(graph.file, "{}", without_path(error.message(), path));
    } else {
      verification.findings.warning(graph.file, "was not loaded, and may still run in a browser: {}",
                                    without_path(error.message(), path));
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    verification.findings.error(graph.file, "{}", without_path(error.message(), path));
  }
}

}  // namespace

void check_graphs(Verification& verification) {
  verification.progress.begin("load", std::ssize(verification.bundle.graphs), ProgressUnit::kItems);
  for (SessionGraph& graph : verification.bundle.graphs) {
    check_cancelled();
    if (complete(verification.bundle, graph)) check_graph(verification, graph);
    verification.progress.advance(1);
  }
}

}  // namespace bantam

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

constexpr std::string_view kManifest = "bantam.json";

class VariantContents {
 public:
  VariantContents(Verification& verification, const Json& variant)
      : view_(verification.bundle),
        findings_(verification.findings),
        variant_(variant),
        dtype_(variant.at("dtype").get<std::string>()),
        file_(variant.at("file").get<std::string>()) {}

  void run() {
    const auto graph = std::ranges::find(view_.graphs, file_, &SessionGraph::file);
    if (graph == view_.graphs.end()) {
      if (view_.exists(file_))
        findings_.error(kManifest, "variant {}: {} is no session file", dtype_, quote(file_));
      return;  // a missing file has been named
    }
    if (graph->dtype != dtype_) {
      findings_.error(kManifest, "variant {}: {} is what transformers.js calls {}", dtype_, quote(file_),
                      graph->dtype);
    }
    if (!graph->external) return;
    check_shards(*graph);
    check_tensors(*graph);
  }

 private:
  void check_shards(const SessionGraph& graph) {
    std::map<std::string, std::int64_t> shards;
    for (const ExternalTensor& tensor : graph.external->tensors) {
      shards.emplace(tensor.location, view_.bytes("onnx/" + tensor.location));
    }
    if (variant_.at("shards").get<std::size_t>() != shards.size()) {
      findings_.error(kManifest, "variant {}: {} shards where the graph reads {}", dtype_,
                      variant_.at("shards").get<std::int64_t>(), shards.size());
    }
    std::int64_t bytes = view_.bytes(file_);
    for (const auto& [name, size] : shards) bytes += size;
    if (variant_.at("bytes").get<std::int64_t>() != bytes) {
      findings_.error(kManifest, "variant {}: {} bytes where its files have {}", dtype_,
                      variant_.at("bytes").get<std::int64_t>(), bytes);
    }
  }

  void check_tensors(const SessionGraph& graph) {
    std::map<std::string, const ExternalTensor*> stored;
    for (const ExternalTensor& tensor : graph.external->tensors) stored.emplace(tensor.spec.name, &tensor);
    for (const Json& weight : variant_.at("tensors")) {
      std::int64_t bytes = 0;
      for (const Json& part : weight.at("parts")) {
        bytes += part.at("bytes").get<std::int64_t>();
        const std::string part_name = part.at("name").get<std::string>();
        const auto found = stored.find(part_name);
        if (found == stored.end()) {
          findings_.error(kManifest, "variant {}: {} is no external tensor of {}", dtype_, quote(part_name),
                          file_);
        } else if (!same_place(part, *found->second)) {
          findings_.error(kManifest, "variant {}: {} is described otherwise than {} has it", dtype_,
                          quote(part_name), file_);
        }
      }
      if (bytes != weight.at("bytes").get<std::int64_t>()) {
        findings_.error(kManifest, "variant {}: {} has {} bytes where its parts have {}", dtype_,
                        quote(weight.at("name").get<std::string>()), weight.at("bytes").get<std::int64_t>(),
                        bytes);
      }
    }
  }

  static bool same_place(const Json& part, const ExternalTensor& tensor) {
    return part.at("file").get<std::string>() == "onnx/" + tensor.location &&
           part.at("offset").get<std::int64_t>() == tensor.offset &&
           part.at("bytes").get<std::int64_t>() == tensor.length &&
           part.at("dtype").get<std::string>() == name(tensor.spec.dtype) &&
           part.at("shape").get<Shape>() == tensor.spec.shape;
  }

  const BundleView& view_;
  Findings& findings_;
  const Json& variant_;
  std::string dtype_, file_;
};

// What the manifest calls the default is what a page gets.
void check_default(Verification& verification) {
  const BundleView& view = verification.bundle;
  if (!view.config || view.sessions.size() != 1) return;
  const std::string stated = view.manifest->at("model").at("default_dtype").get<std::string>();
  const Json config = config_for(view.browser_config(), Device::kWasm);
  const std::string resolved = default_dtype(config, view.sessions.front(), Device::kWasm);
  if (stated != resolved) {
    verification.findings.error(kManifest, "default_dtype is {}, and pages get {} on wasm", stated, resolved);
  }
}

}  // namespace

void check_contents(Verification& verification) {
  const BundleView& view = verification.bundle;
  if (!view.manifest) return;
  for (const Json& variant : view.manifest->at("variants")) VariantContents(verification, variant).run();
  for (const SessionGraph& graph : view.graphs) {
    const bool listed = std::ranges::any_of(view.manifest->at("variants"), [&](const Json& variant) {
      return variant.at("file").get<std::string>() == graph.file;
    });
    if (!listed && view.sessions.size() == 1) {
      verification.findings.error(kManifest, "does not describe {}", quote(graph.file));
    }
  }
  check_default(verification);
}

}  // namespace bantam

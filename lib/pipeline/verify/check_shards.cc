#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/checked.h"
#include "base/error.h"
#include "base/units.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;
// Shape inference and optimizers of onnxruntime want to see small integers while the graph is loaded.
constexpr std::int64_t kSmallInteger = 1024;

class GraphShards {
 public:
  GraphShards(Verification& verification, SessionGraph& graph)
      : view_(verification.bundle), findings_(verification.findings), graph_(graph) {}

  void run() {
    if (!view_.usable(graph_.file)) return;
    try {
      graph_.external = read_external_tensors(view_.path(graph_.file));
    } catch (const Error& error) {
      // The message begins with the path.
      findings_.error(graph_.file, "{}", error.message().substr(view_.path(graph_.file).string().size() + 2));
      return;
    }
    for (const ExternalTensor& tensor : graph_.external->tensors) look_at(tensor);
    check_overlaps();
    check_sizes();
    for (const Device device : {Device::kWasm, Device::kWebGpu}) check_listed(device);
  }

 private:
  void look_at(const ExternalTensor& tensor) {
    const std::string& location = tensor.location;
    const std::string what = quote(tensor.spec.name);
    if (location.empty() || location.find_first_of("/\\") != location.npos) {
      findings_.error(graph_.file,
                      "{} lies in {}: the location must be a bare file name, as the web build looks for it",
                      what, quote(location));
      return;
    }
    referenced_.insert(location);
    if (tensor.length != tensor.spec.bytes()) {
      findings_.error(graph_.file, "{} has {} bytes of external data where {} {} needs {}", what,
                      tensor.length, name(tensor.spec.dtype), to_string(tensor.spec.shape),
                      tensor.spec.bytes());
    }
    const std::string file = "onnx/" + location;
    const auto end = checked_add(tensor.offset, tensor.length);
    if (view_.usable(file) && (!end || *end > view_.bytes(file))) {
      findings_.error(graph_.file, "{} ends at byte {} of {}, which has {}", what, end.value_or(INT64_MAX),
                      location, view_.bytes(file));
    }
    if (tensor.spec.dtype == DType::kI64 && tensor.length <= kSmallInteger) {
      findings_.warning(
          graph_.file,
          "{} is a small integer tensor outside of the graph, where shape inference cannot see it", what);
    }
    if (end) ranges_.emplace(location, tensor.offset, *end, tensor.spec.name);
  }

  // One range may serve several tensors; two ranges that share bytes are a mistake.
  void check_overlaps() {
    const Range* previous = nullptr;
    for (const Range& range : ranges_) {
      const auto& [file, begin, end, tensor] = range;
      if (previous != nullptr && std::get<0>(*previous) == file) {
        const bool same = std::get<1>(*previous) == begin && std::get<2>(*previous) == end;
        if (!same && begin < std::get<2>(*previous) && begin != end) {
          findings_.error(graph_.file, "{} and {} overlap in {}", quote(std::get<3>(*previous)),
                          quote(tensor), file);
        }
      }
      if (previous == nullptr || std::get<0>(*previous) != file || end > std::get<2>(*previous))
        previous = &range;
    }
  }

  void check_sizes() {
    const std::int64_t graph_bytes = view_.bytes(graph_.file);
    if (graph_bytes >= 2 * kGiB) {
      findings_.error(graph_.file, "has {}; a protobuf message ends at 2 GiB", format_bytes(graph_bytes));
    } else if (graph_.external->inline_bytes > (std::int64_t{64} << 20)) {
      findings_.warning(graph_.file,
                        "holds {} of weights itself: they are in memory twice while it is parsed",
                        format_bytes(graph_.external->inline_bytes));
    }
    for (const std::string& location : referenced_) {
      const std::string file = "onnx/" + location;
      if (view_.bytes(file) >= 4 * kGiB) {
        findings_.error(file, "has {}; browsers cannot address more than 4 GiB of a file",
                        format_bytes(view_.bytes(file)));
      } else if (view_.bytes(file) > kGiB) {
        findings_.warning(file, "has {}; many browsers fail on files above 1 GiB",
                          format_bytes(view_.bytes(file)));
      }
    }
  }

  void check_listed(Device device) {
    if (!view_.config) return;
    const Json config = config_for(view_.browser_config(), device);
    const std::int64_t count = std::min(chunk_count(config, graph_.session, graph_.base_name()), kMaxChunks);
    std::set<std::string> listed;
    for (std::int64_t i = 0; i < count; ++i) listed.insert(chunk_name(graph_.base_name(), i));
    for (const std::string& location : referenced_) {
      if (!listed.contains(location)) {
        findings_.error("config.json",
                        "{} needs {}, which is not among the {} data files that are loaded with it on {}",
                        graph_.base_name(), quote(location), count, name(device));
      }
    }
    for (const std::string& location : listed) {
      if (!referenced_.contains(location)) {
        findings_.error("config.json", "{} is loaded with {}, which has no tensor in it", location,
                        graph_.base_name());
      }
    }
  }

  using Range = std::tuple<std::string, std::int64_t, std::int64_t, std::string>;

  const BundleView& view_;
  Findings& findings_;
  SessionGraph& graph_;
  std::set<std::string> referenced_;
  std::set<Range> ranges_;
};

}  // namespace

void check_shards(Verification& verification) {
  for (SessionGraph& graph : verification.bundle.graphs) GraphShards(verification, graph).run();
}

}  // namespace bantam

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

std::string dim_text(const Dim& dim) {
  return dim.is_fixed() ? fmt::format("{}", dim.value) : quote(dim.symbol);
}

class GraphCaches {
 public:
  GraphCaches(Verification& verification, const SessionGraph& graph)
      : view_(verification.bundle), findings_(verification.findings), session_(graph), graph_(*graph.graph) {
    for (const ValueId id : graph_.inputs) inputs_.emplace(graph_.value(id).name, &graph_.value(id));
    for (const ValueId id : graph_.outputs) outputs_.emplace(graph_.value(id).name, &graph_.value(id));
  }

  void run() {
    const bool holds =
        std::ranges::any_of(inputs_, [](const auto& input) { return input.first.starts_with("past_"); });
    if (!holds) {
      if (view_.task() == "text-generation") {
        findings_.warning(session_.file, "has no caches: every new token reads the whole text again");
      }
      return;
    }
    CacheShape shape;
    switch (cache_shape(*view_.config, shape)) {
      case CacheTable::kUnknown:
        findings_.error(session_.file,
                        "has caches, and transformers.js makes none for model_type {}: every run fails",
                        quote(view_.model_type()));
        return;
      case CacheTable::kOther:
        return check_dims_of_all();
      case CacheTable::kKnown:
        return check_known(shape);
    }
  }

 private:
  void check_known(const CacheShape& shape) {
    std::set<std::string> named(shape.inputs.begin(), shape.inputs.end());
    for (const auto& [input, value] : inputs_) {
      if (input.starts_with("past_") && !named.contains(input)) {
        findings_.error(session_.file,
                        "declares {}, which transformers.js does not make for {} layers: every run fails",
                        quote(input), shape.inputs.size() / 2);
      }
    }
    for (std::size_t i = 0; i < shape.inputs.size(); ++i) {
      const auto input = inputs_.find(shape.inputs[i]);
      if (input == inputs_.end()) {
        findings_.error(session_.file, "has no input {}: the caches are not those of config.json's layers",
                        quote(shape.inputs[i]));
        continue;
      }
      check_dims(*input->second, shape);
      check_pair(*input->second, shape.outputs[i]);
    }
    check_half_for_v3();
  }

  void check_dims_of_all() {
    for (const auto& [input, value] : inputs_) {
      if (input.starts_with("past_key_values.")) check_dims(*value, {});
    }
  }

  // [batch_size, heads, past, width]: version 4 makes an empty cache of the numbers and of the one name
  // batch_size.
  void check_dims(const Value& value, const CacheShape& shape) {
    const std::string what = quote(value.name);
    if (!value.has_dims || value.dims.size() != 4) {
      findings_.error(session_.file, "{} does not declare four dimensions", what);
      return;
    }
    const auto& dims = value.dims;
    if (dims[0].symbol != "batch_size" && !(dims[0].is_fixed() && dims[0].value == 1)) {
      findings_.error(
          session_.file,
          "the batch of {} is called {}; only \"batch_size\" becomes the batch, other names become 0", what,
          dim_text(dims[0]));
    }
    for (const int i : {1, 3}) {
      const Dim& dim = dims[static_cast<std::size_t>(i)];
      const std::optional<std::int64_t> wanted = i == 1 ? shape.heads : shape.width;
      const std::string_view part = i == 1 ? "number of heads" : "width of a head";
      if (!dim.is_fixed()) {
        findings_.error(session_.file, "the {} of {} is {} and must be a number", part, what, dim_text(dim));
      } else if (wanted && *wanted != dim.value) {
        findings_.error(session_.file, "the {} of {} is {} where config.json says {}", part, what, dim.value,
                        *wanted);
      }
    }
    if (dims[2].is_fixed())
      findings_.error(session_.file, "the length of {} is fixed to {}", what, dims[2].value);
    if (value.dtype != DType::kF32 && value.dtype != DType::kF16) {
      findings_.error(session_.file, "{} is {}; caches are float32 or float16", what, name(value.dtype));
    }
  }

  void check_pair(const Value& input, const std::string& output) {
    const auto found = outputs_.find(output);
    if (found == outputs_.end()) {
      findings_.error(session_.file, "takes {} and gives no {}", quote(input.name), quote(output));
    } else if (found->second->dtype != input.dtype) {
      findings_.error(session_.file, "{} is {} and {} is {}", quote(input.name), name(input.dtype),
                      quote(output), name(found->second->dtype));
    }
  }

  void check_half_for_v3() {
    const bool half = std::ranges::any_of(inputs_, [](const auto& input) {
      return input.first.starts_with("past_") && input.second->dtype == DType::kF16;
    });
    if (!half) return;
    const Json& config = view_.browser_config();
    const auto stated = config.find("kv_cache_dtype");
    std::string dtype = "float32";
    if (stated != config.end() && stated->is_string()) dtype = stated->get<std::string>();
    if (stated != config.end() && stated->is_object()) dtype = stated->value(session_.dtype, "float32");
    if (dtype != "float16") {
      findings_.warning(
          "config.json",
          "kv_cache_dtype does not say that {} has float16 caches: transformers.js 3 feeds float32",
          session_.dtype);
    }
  }

  const BundleView& view_;
  Findings& findings_;
  const SessionGraph& session_;
  const Graph& graph_;
  std::map<std::string, const Value*> inputs_, outputs_;
};

}  // namespace

void check_caches(Verification& verification) {
  if (!verification.bundle.config) return;
  for (const SessionGraph& graph : verification.bundle.graphs) {
    if (graph.graph) GraphCaches(verification, graph).run();
  }
}

}  // namespace bantam

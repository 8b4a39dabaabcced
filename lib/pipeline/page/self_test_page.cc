#include "pipeline/page/self_test_page.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "pipeline/bundle_config.h"
#include "pipeline/manifest.h"

namespace bantam {
namespace {

std::string_view asset(std::string_view name) {
  for (const PageAsset& entry : page_assets()) {
    if (entry.name == name) return entry.text;
  }
  assertion_failed("a page asset", __FILE__, __LINE__);
}

std::string html_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

// JSON inside of a script element: nothing in it may end the element.
std::string script_json(const Json& value) {
  std::string safe;
  for (const char c : value.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

bool computes_in_integers(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.type == "MatMulInteger" || node.type == "DynamicQuantizeLinear") return true;
  }
  return false;
}

Json model_facts(const Plan& plan, const std::string& title) {
  Json variants = Json::array();
  std::vector<SessionFile> sessions;
  for (const PlannedVariant& variant : plan.variants) {
    std::int64_t bytes = std::ssize(variant.onnx);
    for (const ShardFile& shard : variant.layout.shards) bytes += shard.bytes;
    variants.push_back({{"dtype", name(variant.variant.dtype)},
                        {"bytes", bytes},
                        {"half", info(variant.variant.dtype).half},
                        {"integer", computes_in_integers(variant.graph)}});
    sessions.push_back({variant.variant.dtype, &variant.layout});
  }
  return {{"name", title},
          {"task", name(plan.model.task)},
          {"parameters", parameter_count(plan)},
          {"variants", std::move(variants)},
          {"defaults",
           {{"wasm", name(default_dtype_wasm(sessions))},
            {"webgpu", name(default_dtype_webgpu(sessions, plan.model.task))}}},
          {"version", tool_version()}};
}

// Each "{{name}}" of the template once; what is put in is not looked at again.
std::string fill(std::string_view page,
                 std::initializer_list<std::pair<std::string_view, std::string>> values) {
  std::string text;
  while (!page.empty()) {
    const std::size_t open = page.find("{{");
    text += page.substr(0, open);
    if (open == page.npos) break;
    const std::size_t close = page.find("}}", open);
    BANTAM_ASSERT(close != page.npos);
    const std::string_view key = page.substr(open + 2, close - open - 2);
    const auto value =
        std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == key; });
    BANTAM_ASSERT(value != values.end());
    text += value->second;
    page.remove_prefix(close + 2);
  }
  return text;
}

}  // namespace

std::string self_test_page(const Plan& plan) {
  const std::string title = printable(public_name(plan.checkpoint.source, plan.checkpoint.directory));
  return fill(asset("page.html"), {{"title", html_text(title)},
                                   {"style", std::string(asset("page.css"))},
                                   {"model", script_json(model_facts(plan, title))},
                                   {"worker", std::string(asset("worker.js"))},
                                   {"script", std::string(asset("page.js"))}});
}

}  // namespace bantam

#include "pipeline/verify/bundle_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "convert/architecture.h"
#include "pipeline/verify/consumer.h"

namespace bantam {

bool BundleView::usable(std::string_view file) const {
  const auto found = files.find(std::string(file));
  return found != files.end() && found->second.nature == FileNature::kPlausible;
}

std::int64_t BundleView::bytes(std::string_view file) const {
  const auto found = files.find(std::string(file));
  return found == files.end() ? 0 : found->second.bytes;
}

std::string BundleView::task() const {
  if (manifest) return manifest->at("model").at("task").get<std::string>();
  if (!config) return {};
  const auto list = config->find("architectures");
  if (list == config->end() || !list->is_array() || list->empty() || !list->front().is_string()) return {};
  const auto name_of_class = list->front().get<std::string>();
  for (const TaskInfo& info : tasks()) {
    if (name_of_class.ends_with(info.architecture_suffix)) return std::string(info.name);
  }
  return {};
}

std::string BundleView::model_type() const {
  if (!config) return {};
  const auto found = config->find("model_type");
  return found != config->end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& BundleView::browser_config() const {
  static const Json kNothing = Json::object();
  if (!config) return kNothing;
  const auto found = config->find("transformers.js_config");
  return found != config->end() && found->is_object() ? *found : kNothing;
}

std::vector<std::string> BundleView::dtypes() const {
  std::vector<std::string> names;
  for (const ConsumerDtype& dtype : consumer_dtypes()) {
    const bool held =
        std::ranges::any_of(graphs, [&](const SessionGraph& graph) { return graph.dtype == dtype.name; });
    if (held) names.emplace_back(dtype.name);
  }
  return names;
}

}  // namespace bantam

#include "calibrate/answers/embedding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace bantam {
namespace {

// Name since sentence-transformers 5, the flag before, what it does.
struct PoolingName {
  std::string_view mode;
  std::string_view flag;
  Pooling pooling;
};
// In the order in which sentence-transformers puts several together.
constexpr std::array<PoolingName, 5> kPoolings = {{
    {"cls", "pooling_mode_cls_token", Pooling::kCls},
    {"max", "pooling_mode_max_tokens", Pooling::kMax},
    {"mean", "pooling_mode_mean_tokens", Pooling::kMean},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Pooling::kMeanSqrtLength},
    {"lasttoken", "pooling_mode_lasttoken", Pooling::kLastToken},
}};

std::vector<Pooling> read_poolings(const Json& config) {
  std::vector<std::string> modes;
  if (config.contains("pooling_mode")) {
    const Json& mode = config["pooling_mode"];
    for (const Json& one : mode.is_array() ? mode : Json::array({mode})) {
      if (!one.is_string()) fail("\"pooling_mode\" is a JSON {} where a name was expected", one.type_name());
      modes.push_back(one.get<std::string>());
    }
  }
  for (const auto& [key, value] : config.items()) {
    if (key.starts_with("pooling_mode_") && value.is_boolean() && value.get<bool>()) modes.push_back(key);
  }
  std::vector<Pooling> poolings;
  for (const PoolingName& known : kPoolings) {
    const auto erased =
        std::erase_if(modes, [&](const auto& mode) { return mode == known.mode || mode == known.flag; });
    if (erased > 0) poolings.push_back(known.pooling);
  }
  if (!modes.empty()) fail("pooling {} is not supported", quote(modes.front()));
  if (poolings.empty()) fail("no pooling is switched on");
  return poolings;
}

std::string text_at(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return {};
  return object[key].get<std::string>();
}

void pool(std::span<const float> hidden, std::span<const std::int64_t> mask, Pooling pooling,
          std::vector<double>& out) {
  const std::size_t width = hidden.size() / mask.size();
  std::vector<double> values(width, pooling == Pooling::kMax ? -HUGE_VAL : 0.0);
  const auto row = [&](std::size_t token) { return hidden.subspan(token * width, width); };
  double count = 0;
  std::size_t first = mask.size(), last = 0;
  for (std::size_t token = 0; token < mask.size(); ++token) {
    if (mask[token] == 0) continue;
    ++count;
    first = std::min(first, token);
    last = token;
    for (std::size_t i = 0; i < width; ++i) {
      const double value = row(token)[i];
      values[i] = pooling == Pooling::kMax ? std::max(values[i], value) : values[i] + value;
    }
  }
  if (count == 0) fail("a text without a single token has no embedding");
  if (pooling == Pooling::kCls || pooling == Pooling::kLastToken) {
    const std::span<const float> chosen = row(pooling == Pooling::kCls ? first : last);
    values.assign(chosen.begin(), chosen.end());
  }
  if (pooling == Pooling::kMean || pooling == Pooling::kMeanSqrtLength) {
    for (double& value : values) value /= pooling == Pooling::kMean ? count : std::sqrt(count);
  }
  out.insert(out.end(), values.begin(), values.end());
}

}  // namespace

std::optional<EmbeddingModules> read_embedding_modules(const std::filesystem::path& checkpoint) {
  const std::filesystem::path path = checkpoint / "modules.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const Json list = read_json_file(path);
  EmbeddingModules modules;
  bool pooled = false;
  with_context(path.string(), [&] {
    if (!list.is_array()) fail("a JSON {} where a list of modules was expected", list.type_name());
    for (const Json& module : list) {
      const std::string type = text_at(module, "type");
      const std::string kind = type.substr(type.rfind('.') + 1);
      if (kind == "Transformer") continue;
      if (kind == "Normalize" && pooled) {
        modules.normalize = true;
        continue;
      }
      if (kind != "Pooling" || pooled) fail("module {} is not supported", quote(type));
      const std::filesystem::path folder = text_at(module, "path");
      if (folder.is_absolute() || std::ranges::find(folder, "..") != folder.end()) {
        fail("path {} leaves the checkpoint", quote(folder.string()));
      }
      const std::filesystem::path config_path = checkpoint / folder / "config.json";
      const Json config = read_json_file(config_path);
      with_context(config_path.string(), [&] { modules.poolings = read_poolings(config); });
      pooled = true;
    }
    if (!pooled) fail("there is no pooling module");
  });
  return modules;
}

std::vector<float> embed(std::span<const float> hidden, std::span<const std::int64_t> mask,
                         const EmbeddingModules& modules) {
  if (mask.empty() || hidden.size() % mask.size() != 0) {
    fail("{} hidden values for {} tokens", hidden.size(), mask.size());
  }
  std::vector<double> values;
  for (const Pooling pooling : modules.poolings) pool(hidden, mask, pooling, values);
  if (modules.normalize) {
    double squares = 0;
    for (const double value : values) squares += value * value;
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (double& value : values) value /= length;
  }
  return {values.begin(), values.end()};
}

}  // namespace bantam

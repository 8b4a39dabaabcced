#include "convert/lora/adapter_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "convert/config.h"
#include "convert/lora/module_pattern.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxRank = 1 << 16;

// What says how to train, where the adapter was made, or which modules it has (its tensors say that too).
constexpr std::array<std::string_view, 19> kIgnored = {
    "auto_mapping",   "base_model_class", "eva_config",          "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern",   "layers_to_transform", "lora_dropout",    "megatron_core",
    "parent_library", "peft_version",     "qalora_group_size",   "revision",        "target_modules",
    "runtime_config", "loftq_config",     "corda_config",        "velora_config"};
// What is read below.
constexpr std::array<std::string_view, 16> kUsed = {"alpha_pattern",
                                                    "base_model_name_or_path",
                                                    "bias",
                                                    "ensure_weight_tying",
                                                    "init_lora_weights",
                                                    "lora_alpha",
                                                    "lora_bias",
                                                    "modules_to_save",
                                                    "peft_type",
                                                    "r",
                                                    "rank_pattern",
                                                    "task_type",
                                                    "trainable_token_indices",
                                                    "use_dora",
                                                    "use_rslora",
                                                    "target_parameters"};
// Initializations that leave the base as it is. PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA take a part of it
// away, and what they train only fits what is left.
constexpr std::array<std::string_view, 4> kPlainStarts = {"gaussian", "eva", "orthogonal", "True"};

template <typename List>
bool is_one_of(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

bool is_empty(const Json& value) {
  return value.is_null() || value == false || value == 0 || value == "" ||
         ((value.is_array() || value.is_object()) && value.empty());
}

std::string shown(const Json& value) {
  return value.is_structured() ? std::string(value.is_array() ? "a list" : "an object")
                               : quote(value.dump(), 60);
}

void refuse_unknown(const Config& config) {
  for (const auto& [key, value] : config.json().items()) {
    if (is_one_of(kIgnored, key) || is_one_of(kUsed, key) || is_empty(value)) continue;
    fail(
        "{}: {} is not known, and could change the result; merge the adapter with PEFT "
        "(merge_and_unload, save_pretrained) and give what it saves",
        quote(key), shown(value));
  }
}

void refuse_other_methods(const Config& config, const std::string& type, const std::string& bias) {
  if (type != "LORA") fail("peft_type: {} is not supported; LORA is", quote(type));
  const Json& json = config.json();
  if (config.has("init_lora_weights")) {
    const Json& start = json.at("init_lora_weights");
    if (!start.is_boolean() && !(start.is_string() && is_one_of(kPlainStarts, start.get<std::string>()))) {
      fail(
          "init_lora_weights: {} changes the base model's weights; save the adapter as plain LoRA "
          "(save_pretrained with path_initial_model_for_weight_conversion)",
          shown(start));
    }
  }
  if (json.contains("target_parameters") && !is_empty(json.at("target_parameters"))) {
    fail("target_parameters: adapters of single parameters (experts) are not supported");
  }
  if (bias != "none" && bias != "all" && bias != "lora_only") {
    fail("bias: {} where \"none\", \"all\" or \"lora_only\" was expected", quote(bias));
  }
}

template <typename T>
std::map<std::string, T> read_pattern(const Config& config, std::string_view key) {
  std::map<std::string, T> pattern;
  if (!config.has(key)) return pattern;
  const Json& json = config.json().at(std::string(key));
  if (!json.is_object()) fail("{}: {} where an object was expected", key, shown(json));
  for (const auto& [module, value] : json.items()) {
    const bool good = std::is_integral_v<T>
                          ? value.is_number_integer() && value >= 1 && value <= kMaxRank
                          : value.is_number() && std::isfinite(value.template get<double>());
    if (!good) fail("{}: {}: {} where a number was expected", key, quote(module), shown(value));
    with_context(key, [&, &name = module] { module_matches(name, ""); });  // it can be read
    pattern.emplace(module, value.template get<T>());
  }
  return pattern;
}

std::vector<std::string> read_names(const Config& config, std::string_view key) {
  std::vector<std::string> names;
  if (!config.has(key)) return names;
  const Json& json = config.json().at(std::string(key));
  const auto is_name = [](const Json& item) { return item.is_string() && item != ""; };
  if (!json.is_array() || !std::ranges::all_of(json, is_name)) fail("{}: a list of names was expected", key);
  return json.get<std::vector<std::string>>();
}

std::vector<std::int64_t> read_tokens(const Json& json) {
  const auto is_token = [](const Json& item) {
    return item.is_number_integer() && item >= 0 && item < (1 << 30);
  };
  if (!json.is_array() || !std::ranges::all_of(json, is_token)) fail("a list of token ids was expected");
  return json.get<std::vector<std::int64_t>>();
}

void read_trainable_tokens(const Config& config, AdapterConfig& result) {
  constexpr std::string_view kKey = "trainable_token_indices";
  if (!config.has(kKey)) return;
  with_context(kKey, [&] {
    const Json& json = config.json().at(std::string(kKey));
    if (!json.is_object()) {
      result.trainable_tokens[""] = read_tokens(json);
      return;
    }
    for (const auto& [module, tokens] : json.items()) result.trainable_tokens[module] = read_tokens(tokens);
  });
}

// The value of the one pattern that matches, else `fallback`.
template <typename T>
T value_of(const std::map<std::string, T>& patterns, std::string_view module, T fallback,
           std::string_view key) {
  const std::pair<const std::string, T>* found = nullptr;
  for (const auto& entry : patterns) {
    if (!module_matches(entry.first, module)) continue;
    if (found != nullptr && found->second != entry.second) {
      fail("{}: {} and {} both match {} and say {} and {}", key, quote(found->first), quote(entry.first),
           module, found->second, entry.second);
    }
    found = &entry;
  }
  return found == nullptr ? fallback : found->second;
}

AdapterConfig read_values(const Config& config) {
  AdapterConfig result;
  result.rank = config.integer_or("r", result.rank, 1, kMaxRank);
  result.alpha = config.number_or("lora_alpha", result.alpha);
  result.rank_stabilized = config.boolean_or("use_rslora", false);
  result.dora = config.boolean_or("use_dora", false);
  result.lora_bias = config.boolean_or("lora_bias", false);
  result.ensure_weight_tying = config.boolean_or("ensure_weight_tying", false);
  result.task_type = config.string_or("task_type", "");
  result.base_model = config.string_or("base_model_name_or_path", "");
  return result;
}

}  // namespace

std::int64_t AdapterConfig::rank_of(std::string_view module) const {
  return value_of(rank_pattern, module, rank, "rank_pattern");
}

double AdapterConfig::scaling_of(std::string_view module) const {
  const auto r = static_cast<double>(rank_of(module));
  return value_of(alpha_pattern, module, alpha, "alpha_pattern") / (rank_stabilized ? std::sqrt(r) : r);
}

const std::vector<std::int64_t>& AdapterConfig::tokens_of(std::string_view module) const {
  const std::vector<std::int64_t>* found = nullptr;
  for (const auto& [pattern, tokens] : trainable_tokens) {
    const bool matches = pattern.empty() || module == pattern || module.ends_with("." + pattern);
    if (matches && found != nullptr) fail("trainable_token_indices names it twice");
    if (matches) found = &tokens;
  }
  if (found == nullptr) fail("has trained tokens, and trainable_token_indices does not name them");
  return *found;
}

AdapterConfig read_adapter_config(const std::filesystem::path& path) {
  const Config config = Config::read(path);
  // Config's own errors name the file.
  const std::string type = config.string("peft_type");
  const std::string bias = config.string_or("bias", "none");
  AdapterConfig result = read_values(config);
  with_context(path.string(), [&] {
    refuse_other_methods(config, type, bias);
    refuse_unknown(config);
    result.rank_pattern = read_pattern<std::int64_t>(config, "rank_pattern");
    result.alpha_pattern = read_pattern<double>(config, "alpha_pattern");
    result.modules_to_save = read_names(config, "modules_to_save");
    read_trainable_tokens(config, result);
  });
  return result;
}

}  // namespace bantam

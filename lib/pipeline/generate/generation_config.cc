#include "pipeline/generate/generation_config.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/error.h"
#include "convert/blocks/rope.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxId = std::int64_t{1} << 31;
// gpt2 says n_positions.
constexpr std::array<std::string_view, 3> kContextKeys = {"max_position_embeddings", "n_positions", "n_ctx"};

// A key of transformers' GenerationConfig with the number that means that nothing is changed; lists, objects
// and texts change something where they are not empty.
struct Setting {
  std::string_view key;
  double neutral;
};

constexpr double kNoToken = -1;
constexpr auto kNotApplied = std::to_array<Setting>({
    {"num_beams", 1},
    {"penalty_alpha", 0},
    {"guidance_scale", 1},
    {"min_length", 0},
    {"min_new_tokens", 0},
    {"forced_bos_token_id", kNoToken},
    {"forced_eos_token_id", kNoToken},
    {"suppress_tokens", kNoToken},
    {"begin_suppress_tokens", kNoToken},
    {"bad_words_ids", kNoToken},
    {"sequence_bias", kNoToken},
    {"exponential_decay_length_penalty", kNoToken},
    {"stop_strings", kNoToken},
});
constexpr auto kNotAppliedToDraws = std::to_array<Setting>({
    {"typical_p", 1},
    {"min_p", 0},
    {"epsilon_cutoff", 0},
    {"eta_cutoff", 0},
});

std::vector<std::string> set_among(const Config& config, std::span<const Setting> settings) {
  std::vector<std::string> keys;
  for (const Setting& setting : settings) {
    if (!config.has(setting.key)) continue;
    const Json& value = config.json().at(setting.key);
    const bool neutral = value.is_number()   ? value.get<double>() == setting.neutral
                         : value.is_string() ? value.get_ref<const std::string&>().empty()
                                             : value.empty();
    if (!neutral) keys.emplace_back(setting.key);
  }
  return keys;
}

std::int64_t token_id(const Json& value, const Config& config, std::string_view key) {
  const bool whole = value.is_number_integer();
  if (!whole || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() >= kMaxId)
    fail("{}: {} is {} where token ids were expected", config.path().string(), key, value.dump());
  return value.get<std::int64_t>();
}

std::vector<std::int64_t> token_ids(const Config& config, std::string_view key) {
  if (!config.has(key)) return {};
  const Json& value = config.json().at(std::string(key));
  if (!value.is_array()) return {token_id(value, config, key)};
  std::vector<std::int64_t> ids;
  for (const Json& id : value) ids.push_back(token_id(id, config, key));
  return ids;
}

}  // namespace

std::int64_t switch_length(const Config& config) {
  return config.string_or("model_type", "") == "phi3" ? longrope_switch_length(config) : 0;
}

GenerationConfig read_generation_config(const BundleModel& bundle) {
  std::vector<Config> files;
  std::error_code error;
  const std::filesystem::path own = bundle.root / "generation_config.json";
  if (std::filesystem::exists(own, error)) files.push_back(Config::read(own));
  files.push_back(bundle.config);
  GenerationConfig result;
  for (const Config& config : files) {
    if (result.eos_token_ids.empty()) result.eos_token_ids = token_ids(config, "eos_token_id");
    const std::vector<std::int64_t> bos = token_ids(config, "bos_token_id");
    if (!result.bos_token_id && !bos.empty()) result.bos_token_id = bos.front();
  }
  const Config& first = files.front();
  result.repetition_penalty = first.number_or("repetition_penalty", 1);
  if (!(result.repetition_penalty > 0)) {
    fail("{}: repetition_penalty is {} where more than 0 was expected", first.path().string(),
         result.repetition_penalty);
  }
  result.no_repeat_ngram = first.integer_or("no_repeat_ngram_size", 0);
  result.settings_file = first.path().filename().string();
  result.not_applied = set_among(first, kNotApplied);
  result.not_applied_to_draws = set_among(first, kNotAppliedToDraws);
  if (first.has("max_new_tokens")) result.max_new_tokens = first.integer("max_new_tokens");
  for (const std::string_view key : kContextKeys) {
    if (result.context == 0) result.context = bundle.config.integer_or(key, 0);
  }
  result.switch_length = switch_length(bundle.config);
  return result;
}

}  // namespace bantam

#include "pipeline/generate/generation_config.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "convert/blocks/rope.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxId = std::int64_t{1} << 31;
// gpt2 says n_positions.
constexpr std::array<std::string_view, 3> kContextKeys = {"max_position_embeddings", "n_positions", "n_ctx"};

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
  if (first.has("max_new_tokens")) result.max_new_tokens = first.integer("max_new_tokens");
  for (const std::string_view key : kContextKeys) {
    if (result.context == 0) result.context = bundle.config.integer_or(key, 0);
  }
  result.switch_length = switch_length(bundle.config);
  return result;
}

}  // namespace bantam

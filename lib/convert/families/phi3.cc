// Phi-3, Phi-3.5 and Phi-4 (arXiv:2404.14219, arXiv:2412.08905): Llama with fused linears; names of
// transformers' modeling_phi3.py.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/blocks/llama_layer.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"phi3"};

// The same with LongRoPE under its one name: early files call it "su" or "yarn".
Config with_longrope_named(const Config& config) {
  Json json = config.json();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json.contains(key) || !json[key].is_object()) continue;
    for (const char* type : {"type", "rope_type"}) {
      Json& parameters = json[key];
      if (parameters.contains(type) && (parameters[type] == "su" || parameters[type] == "yarn"))
        parameters[type] = "longrope";
    }
  }
  return {config.path(), std::move(json)};
}

// The configuration class has the trained length beside the parameters, 4096 where the file does not, and
// overwrites what stands among them.
void check_trained_length(const Config& config) {
  constexpr std::string_view kTrained = "original_max_position_embeddings";
  if (config.has(kTrained)) return;
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    if (!config.has(key) || !config.json().at(key).is_object()) continue;
    const std::int64_t inside = Config(config.path(), config.json().at(key)).integer_or(kTrained, 4096);
    if (inside == 4096) continue;
    fail("{}: {}: {} is {}, which transformers ignores for phi3; write it beside {}", config.path().string(),
         key, kTrained, inside, key);
  }
}

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config config = with_longrope_named(checkpoint.config);
  check_trained_length(config);
  DecoderConfig decoder = read_llama_config(config, false);
  rotate_all(decoder, read_rope(config, decoder.head_size, {.partial = "partial_rotary_factor"}));
  decoder.norm.epsilon = config.number_or("rms_norm_eps", 1e-5);
  read_window(config, decoder, 0);
  LlamaLayer layer;
  layer.fused = true;
  ModelGraph model = build_llama("phi3", checkpoint, decoder, layer);
  if (const Rope& rope = decoder.layers[0].rope; !rope.long_frequencies.empty()) {
    model.notes.push_back(fmt::format(
        "positions turn otherwise in texts of more than {} tokens: one that grows over that while transformers.js "
        "continues it keeps the keys that it has, where transformers and bantam run read it anew",
        rope.switch_length));
  }
  return model;
}

}  // namespace

const Architecture kPhi3 = {.family = "phi3", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam

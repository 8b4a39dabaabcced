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

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config config = with_longrope_named(checkpoint.config);
  DecoderConfig decoder = read_llama_config(config, false);
  decoder.norm.epsilon = config.number_or("rms_norm_eps", 1e-5);
  read_windows(config, decoder, config.has("sliding_window"), 0);
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

// GPT-Neo (Black et al., 2021, doi 10.5281/zenodo.5297715): scores are not scaled, and every layer attends to
// all tokens or to the nearest ones. Names of transformers' modeling_gpt_neo.py.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/blocks/gpt_model.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"gpt_neo"};

constexpr GptNames kNames = {.prefix = "transformer.",
                             .vocabulary = {.embedding = "wte", .head = "lm_head"},
                             .positions = "wpe",
                             .layers = "h",
                             .last_norm = "ln_f",
                             .attention_norm = "ln_1",
                             .mlp_norm = "ln_2",
                             .attention = "attn/attention",
                             .output = "out_proj",
                             .expand = "mlp/c_fc",
                             .contract = "mlp/c_proj"};

constexpr GptKeys kKeys = {.layers = "num_layers",
                           .heads = "num_heads",
                           .activation = "activation_function",
                           .epsilon = "layer_norm_epsilon"};

// "global" or "local" for every layer. attention_types has them as a list of [names, how often];
// attention_layers, the same list written out, goes first where both are there.
Json layer_kinds(const Config& config, std::size_t layers) {
  const Json& json = config.json();
  Json kinds = Json::array();
  const auto append = [&](const Json& entry) {
    const bool sound = entry.is_array() && entry.size() == 2 && entry[0].is_array() && !entry[0].empty() &&
                       entry[1].is_number_integer() && entry[1] >= 0;
    if (!sound) fail("{}: attention_types: [[names, count], ...] was expected", config.path().string());
    for (Json times = entry[1]; times > 0 && kinds.size() <= layers; times = times.get<std::int64_t>() - 1) {
      for (const Json& kind : entry[0]) kinds.push_back(kind);
    }
  };
  const std::string_view key = config.has("attention_layers") ? "attention_layers" : "attention_types";
  if (!config.has(key)) {
    append(Json::array({Json::array({"global", "local"}), 12}));
  } else if (!json.at(key).is_array()) {
    fail("{}: {}: a list was expected", config.path().string(), key);
  } else if (key == "attention_types") {
    for (const Json& entry : json.at(key)) append(entry);
  } else {
    kinds = json.at(key);
  }
  if (kinds.size() != layers) {
    fail("{}: {} does not name the attention of each of the {} layers", config.path().string(), key, layers);
  }
  for (const Json& kind : kinds) {
    if (kind == "global" || kind == "local") continue;
    fail("{}: {}: {} is not supported; known: global, local", config.path().string(), key, kind.dump());
  }
  return kinds;
}

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  DecoderConfig decoder = read_gpt_config(config, kKeys, "gelu_new", true);
  decoder.score_scale = 1;
  const Json kinds = layer_kinds(config, decoder.layers.size());
  const std::int64_t window = config.integer_or("window_size", 256, 1);
  for (std::size_t i = 0; i < decoder.layers.size(); ++i) {
    if (kinds[i] == "local") decoder.layers[i].window = window;
  }
  GptModel gpt;
  gpt.names = kNames;
  gpt.positions = config.integer("max_position_embeddings");
  gpt.buffers = {"*.attn.attention.bias", "*.attn.attention.masked_bias"};
  gpt.project = [&decoder](const Module& attention, ValueId x) {
    const auto project = [&](std::string_view name, Role role) {
      return linear(attention / name, x, decoder.hidden, decoder.hidden, role, LinearBias::kNone);
    };
    return QueryKeyValue{project("q_proj", Role::kAttentionQ), project("k_proj", Role::kAttentionK),
                         project("v_proj", Role::kAttentionV)};
  };
  return build_gpt("gpt_neo", checkpoint, decoder, gpt);
}

}  // namespace

const Architecture kGptNeo = {
    .family = "gpt_neo", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam

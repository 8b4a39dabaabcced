#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/verify/consumer.h"

namespace bantam {
namespace {

// Where config.json says what a decoder's caches look like, by model_type (getNormalizedConfig in
// src/configs.js).
struct CacheRow {
  std::string_view layers, heads;
  std::string_view width;            // empty: hidden / attention heads
  std::string_view hidden;           // empty: the width is stated
  std::string_view attention_heads;  // empty: as heads
  std::span<const std::string_view> model_types;
};

constexpr std::array<std::string_view, 5> kGpt2Types = {"gpt2", "gptj", "jais", "codegen", "gpt_bigcode"};
constexpr std::array<std::string_view, 5> kNeoxTypes = {"gpt_neox", "stablelm", "opt", "falcon",
                                                        "modernbert-decoder"};
constexpr std::array<std::string_view, 24> kLlamaTypes = {
    "gpt_oss",    "llama", "llama4_text", "nanochat",  "apertus", "arcee",  "afmoe",   "smollm3",
    "olmo",       "olmo2", "olmo3",       "mobilellm", "granite", "cohere", "cohere2", "mistral",
    "starcoder2", "qwen2", "qwen2_moe",   "qwen3_moe", "phi",     "phi3",   "phi3_v",  "llava_qwen2"};
constexpr std::array<std::string_view, 13> kQwen3Types = {
    "qwen3", "solar_open", "gemma",    "gemma2",           "vaultgemma", "gemma3_text", "gemma3n_text",
    "glm",   "helium",     "ernie4_5", "hunyuan_v1_dense", "ministral",  "ministral3"};
constexpr std::array<std::string_view, 1> kOpenElmTypes = {"openelm"};
constexpr std::array<std::string_view, 1> kGptNeoTypes = {"gpt_neo"};
constexpr std::array<std::string_view, 1> kBloomTypes = {"bloom"};
constexpr std::array<std::string_view, 1> kMptTypes = {"mpt"};
constexpr std::array<std::string_view, 1> kExaoneTypes = {"exaone"};

constexpr std::array<CacheRow, 9> kDecoders = {{
    {"n_layer", "n_head", "", "n_embd", "", kGpt2Types},
    {"num_hidden_layers", "num_attention_heads", "", "hidden_size", "", kNeoxTypes},
    {"num_hidden_layers", "num_key_value_heads", "head_dim", "hidden_size", "num_attention_heads",
     kLlamaTypes},
    {"num_hidden_layers", "num_key_value_heads", "head_dim", "", "", kQwen3Types},
    {"num_transformer_layers", "num_kv_heads", "head_dim", "", "", kOpenElmTypes},
    {"num_layers", "num_heads", "", "hidden_size", "", kGptNeoTypes},
    {"n_layer", "n_head", "", "hidden_size", "", kBloomTypes},
    {"n_layers", "n_heads", "", "d_model", "", kMptTypes},
    {"num_layers", "num_key_value_heads", "head_dim", "", "num_attention_heads", kExaoneTypes},
}};

// Decoders of encoder-decoder models.
struct PairRow {
  std::string_view layers, heads;
  std::string_view width;  // empty: hidden / heads
  std::string_view hidden;
  std::span<const std::string_view> model_types;
};
constexpr std::array<std::string_view, 3> kT5Types = {"t5", "mt5", "longt5"};
constexpr std::array<std::string_view, 8> kBartTypes = {
    "bart", "mbart", "marian", "whisper", "lite-whisper", "m2m_100", "blenderbot", "blenderbot-small"};
constexpr std::array<std::string_view, 1> kTrocrTypes = {"trocr"};
constexpr std::array<PairRow, 3> kPairs = {{
    {"num_decoder_layers", "num_heads", "d_kv", "", kT5Types},
    {"decoder_layers", "decoder_attention_heads", "", "d_model", kBartTypes},
    {"decoder_layers", "decoder_attention_heads", "", "d_model", kTrocrTypes},
}};

// Caches of other kinds than keys and values per layer, or named after nested configurations.
constexpr std::array<std::string_view, 21> kOtherTypes = {
    "lfm2",        "lfm2_moe",         "granitemoehybrid",
    "falcon_h1",   "nemotron_h",       "qwen3_next",
    "qwen3_5",     "qwen3_5_moe",      "qwen3_5_text",
    "olmo_hybrid", "gemma4",           "gemma4_text",
    "deepseek_v3", "deepseek_v4",      "zaya",
    "lfm2_vl",     "voxtral_realtime", "vision-encoder-decoder",
    "youtu",       "mistral4",         "hrm_text"};

template <typename Row, std::size_t N>
const Row* find_row(const std::array<Row, N>& rows, std::string_view model_type) {
  for (const Row& row : rows) {
    if (std::ranges::find(row.model_types, model_type) != row.model_types.end()) return &row;
  }
  return nullptr;
}

std::optional<std::int64_t> integer(const Json& config, std::string_view key) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::int64_t layers_of(const Json& config, std::string_view key) {
  const std::optional<std::int64_t> layers = integer(config, key);
  if (!layers) fail("has no number {}, which the names of the caches are made of", quote(key));
  if (*layers < 1 || *layers > 10000) fail("{} is {}, which is no number of layers", key, *layers);
  return *layers;
}

void add_names(CacheShape& shape, const std::string& tail) {
  shape.inputs.push_back("past_key_values." + tail);
  shape.outputs.push_back("present." + tail);
}

std::optional<std::int64_t> quotient(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
  if (!a || !b || *b <= 0) return std::nullopt;
  return *a / *b;
}

void decoder_caches(const Json& config, const CacheRow& row, CacheShape& shape) {
  const std::int64_t layers = layers_of(config, row.layers);
  const auto multi_query = config.find("multi_query");
  if (multi_query != config.end() && multi_query->is_boolean() && multi_query->get<bool>()) {
    for (std::int64_t i = 0; i < layers; ++i) add_names(shape, fmt::format("{}.key_value", i));
    return;
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    add_names(shape, fmt::format("{}.key", i));
    add_names(shape, fmt::format("{}.value", i));
  }
  shape.heads = integer(config, row.heads);
  if (!row.width.empty()) shape.width = integer(config, row.width);
  if (!shape.width && !row.hidden.empty()) {
    shape.width = quotient(integer(config, row.hidden),
                           integer(config, row.attention_heads.empty() ? row.heads : row.attention_heads));
  }
}

}  // namespace

CacheTable cache_shape(const Json& config, CacheShape& shape) {
  const auto found = config.find("model_type");
  const std::string model_type = found != config.end() && found->is_string() ? found->get<std::string>() : "";
  if (const CacheRow* row = find_row(kDecoders, model_type)) {
    decoder_caches(config, *row, shape);
    return CacheTable::kKnown;
  }
  if (const PairRow* row = find_row(kPairs, model_type)) {
    for (std::int64_t i = 0; i < layers_of(config, row->layers); ++i) {
      for (const std::string_view part : {"encoder", "decoder"}) {
        add_names(shape, fmt::format("{}.{}.key", i, part));
        add_names(shape, fmt::format("{}.{}.value", i, part));
      }
    }
    shape.heads = integer(config, row->heads);
    shape.width = row->width.empty() ? quotient(integer(config, row->hidden), shape.heads)
                                     : integer(config, row->width);
    return CacheTable::kKnown;
  }
  for (const std::string_view nested : {"text_config", "decoder", "language_config"}) {
    const auto inner = config.find(nested);
    if (inner != config.end() && inner->is_object() && model_type != "vision-encoder-decoder") {
      const CacheTable table = cache_shape(*inner, shape);
      if (table == CacheTable::kKnown) return table;
    }
  }
  return std::ranges::find(kOtherTypes, model_type) != kOtherTypes.end() ? CacheTable::kOther
                                                                         : CacheTable::kUnknown;
}

}  // namespace bantam

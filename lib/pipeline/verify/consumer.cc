#include "pipeline/verify/consumer.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array<ConsumerDtype, 12> kDtypes = {{
    {"fp32", "", false, false},
    {"fp16", "_fp16", true, false},
    {"q8", "_quantized", false, false},
    {"int8", "_int8", false, false},
    {"uint8", "_uint8", false, false},
    {"q4", "_q4", false, false},
    {"q4f16", "_q4f16", true, false},
    {"bnb4", "_bnb4", false, false},
    {"q2", "_q2", false, true},
    {"q2f16", "_q2f16", true, true},
    {"q1", "_q1", false, true},
    {"q1f16", "_q1f16", true, true},
}};

constexpr std::array kDevices{Device::kWasm, Device::kWebGpu, Device::kNode};

// Classes whose sessions are not "model", by model_type.
struct SessionRow {
  std::span<const std::string_view> model_types;
  std::span<const std::string_view> sessions;
};
constexpr std::array<std::string_view, 19> kImageText = {
    "llava",        "llava_onevision", "moondream1",  "florence2",   "qwen2_vl", "qwen2_5_vl", "qwen3_vl",
    "qwen3_vl_moe", "qwen3_5",         "qwen3_5_moe", "lfm2_vl",     "idefics3", "smolvlm",    "paligemma",
    "llava_qwen2",  "gemma3",          "mistral3",    "lighton_ocr", "glm_ocr"};
constexpr std::array<std::string_view, 4> kAudioText = {"granite_speech", "ultravox", "voxtral",
                                                        "voxtral_realtime"};
constexpr std::array<std::string_view, 2> kImageAudioText = {"gemma3n", "gemma4"};
constexpr std::array<std::string_view, 4> kMaskGeneration = {"sam", "sam2", "edgetam", "sam3_tracker"};
constexpr std::array<std::string_view, 1> kPhi3V = {"phi3_v"};
constexpr std::array<std::string_view, 1> kMusicgen = {"musicgen"};

constexpr std::array<std::string_view, 3> kImageTextSessions = {"embed_tokens", "decoder_model_merged",
                                                                "vision_encoder"};
constexpr std::array<std::string_view, 3> kAudioTextSessions = {"embed_tokens", "decoder_model_merged",
                                                                "audio_encoder"};
constexpr std::array<std::string_view, 4> kImageAudioTextSessions = {"embed_tokens", "decoder_model_merged",
                                                                     "vision_encoder", "audio_encoder"};
constexpr std::array<std::string_view, 2> kMaskSessions = {"vision_encoder", "prompt_encoder_mask_decoder"};
constexpr std::array<std::string_view, 3> kPhi3VSessions = {"prepare_inputs_embeds", "model",
                                                            "vision_encoder"};
constexpr std::array<std::string_view, 3> kMusicgenSessions = {"text_encoder", "decoder_model_merged",
                                                               "encodec_decode"};

constexpr std::array<SessionRow, 6> kSessionRows = {{
    {kImageText, kImageTextSessions},
    {kAudioText, kAudioTextSessions},
    {kImageAudioText, kImageAudioTextSessions},
    {kMaskGeneration, kMaskSessions},
    {kPhi3V, kPhi3VSessions},
    {kMusicgen, kMusicgenSessions},
}};

std::string text_of(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag_of(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::string class_of(const Json& config) {
  const auto found = config.find("architectures");
  if (found == config.end() || !found->is_array() || found->empty() || !found->front().is_string()) return {};
  return found->front().get<std::string>();
}

// JavaScript's unary plus on what use_external_data_format may hold.
std::int64_t as_count(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return 0;
}

}  // namespace

std::span<const ConsumerDtype> consumer_dtypes() {
  return kDtypes;
}

const ConsumerDtype* find_consumer_dtype(std::string_view name) {
  const auto found = std::ranges::find(kDtypes, name, &ConsumerDtype::name);
  return found == kDtypes.end() ? nullptr : &*found;
}

std::span<const Device> devices() {
  return kDevices;
}

std::string_view name(Device device) {
  switch (device) {
    case Device::kWasm:
      return "wasm";
    case Device::kWebGpu:
      return "webgpu";
    case Device::kNode:
      return "node";
  }
  BANTAM_ASSERT(false);
}

std::string_view config_key(Device device) {
  return device == Device::kNode ? "cpu" : name(device);
}

std::vector<std::string> session_names(const Json& config) {
  const std::string model_type = text_of(config, "model_type");
  for (const SessionRow& row : kSessionRows) {
    if (std::ranges::find(row.model_types, model_type) == row.model_types.end()) continue;
    // The causal-LM class over a multimodal checkpoint loads the text sessions alone; Florence-2 has an
    // encoder too.
    std::vector<std::string> names(row.sessions.begin(), row.sessions.end());
    if (flag_of(config, "is_encoder_decoder")) names.emplace_back("encoder_model");
    return names;
  }
  const std::string name_of_class = class_of(config);
  const bool encoder_alone =
      name_of_class.ends_with("ForSequenceClassification") || name_of_class.ends_with("ForQuestionAnswering");
  const bool pair = flag_of(config, "is_encoder_decoder") || model_type == "vision-encoder-decoder";
  if (pair && !encoder_alone) return {"encoder_model", "decoder_model_merged"};
  return {"model"};
}

Json config_for(const Json& browser_config, Device device) {
  Json merged = browser_config;
  const auto all = browser_config.find("device_config");
  if (all == browser_config.end() || !all->is_object()) return merged;
  const auto own = all->find(config_key(device));
  if (own != all->end() && own->is_object()) merged.update(*own);
  return merged;
}

std::string default_dtype(const Json& config, std::string_view session, Device device) {
  const std::string otherwise = device == Device::kWasm ? "q8" : "fp32";
  const auto found = config.find("dtype");
  if (found == config.end()) return otherwise;
  const std::string dtype = found->is_object() ? text_of(*found, session) : text_of(config, "dtype");
  return find_consumer_dtype(dtype) == nullptr ? otherwise : dtype;
}

std::int64_t chunk_count(const Json& config, std::string_view session, std::string_view file) {
  const auto found = config.find("use_external_data_format");
  if (found == config.end()) return 0;
  if (!found->is_object()) return as_count(*found);
  for (const std::string_view key : {file, session}) {
    if (const auto entry = found->find(key); entry != found->end()) return as_count(*entry);
  }
  return 0;
}

std::string chunk_name(std::string_view file, std::int64_t index) {
  return fmt::format("{}_data{}", file, index == 0 ? std::string() : fmt::format("_{}", index));
}

std::span<const std::string_view> fed_inputs(std::string_view session, bool decoder_only) {
  static constexpr std::array<std::string_view, 7> kEncoder = {
      "input_ids",  "attention_mask", "token_type_ids", "pixel_values",
      "pixel_mask", "input_features", "input_values"};
  static constexpr std::array<std::string_view, 5> kDecoder = {"input_ids", "inputs_embeds", "attention_mask",
                                                               "position_ids", "num_logits_to_keep"};
  static constexpr std::array<std::string_view, 8> kMerged = {
      "input_ids",          "inputs_embeds",         "attention_mask",         "position_ids",
      "num_logits_to_keep", "encoder_hidden_states", "encoder_attention_mask", "use_cache_branch"};
  static constexpr std::array<std::string_view, 1> kEmbed = {"input_ids"};
  if (session == "decoder_model_merged") return kMerged;
  if (session == "embed_tokens") return kEmbed;
  if (session == "model" && decoder_only) return kDecoder;
  if (session == "model" || session == "encoder_model" || session == "vision_encoder" ||
      session == "audio_encoder") {
    return kEncoder;
  }
  return {};
}

}  // namespace bantam

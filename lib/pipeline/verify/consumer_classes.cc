#include <algorithm>
#include <array>

#include "base/error.h"
#include "pipeline/verify/consumer.h"

namespace bantam {
namespace {

// The model types that the class behind a pipeline accepts (src/models/registry.js of 4.3.1). Feature
// extraction is not here: AutoModel takes an unknown type for an encoder.
struct ClassRow {
  std::string_view task;
  std::span<const std::string_view> model_types;
};
// clang-format off
constexpr std::array<std::string_view, 19> kFillMask = {
    "bert", "eurobert", "neobert", "modernbert", "roformer", "electra", "esm", "convbert", "camembert",
    "deberta", "deberta-v2", "mpnet", "albert", "distilbert", "roberta", "xlm", "xlm-roberta", "mobilebert",
    "squeezebert"};
constexpr std::array<std::string_view, 21> kTextClassification = {
    "bert", "eurobert", "neobert", "modernbert", "roformer", "electra", "esm", "convbert", "camembert",
    "deberta", "deberta-v2", "mpnet", "albert", "distilbert", "roberta", "xlm", "xlm-roberta", "bart",
    "mbart", "mobilebert", "squeezebert"};
constexpr std::array<std::string_view, 17> kTokenClassification = {
    "bert", "eurobert", "neobert", "modernbert", "roformer", "electra", "esm", "convbert", "camembert",
    "deberta", "deberta-v2", "mpnet", "distilbert", "roberta", "xlm", "xlm-roberta", "openai_privacy_filter"};
constexpr std::array<std::string_view, 16> kQuestionAnswering = {
    "bert", "neobert", "roformer", "electra", "convbert", "camembert", "deberta", "deberta-v2", "mpnet",
    "albert", "distilbert", "roberta", "xlm", "xlm-roberta", "mobilebert", "squeezebert"};
constexpr std::array<std::string_view, 76> kTextGeneration = {
    "bloom", "gpt2", "gpt_oss", "jais", "gptj", "gpt_bigcode", "gpt_neo", "gpt_neox", "codegen", "llama",
    "nanochat", "apertus", "llama4_text", "arcee", "afmoe", "lfm2", "lfm2_moe", "smollm3", "exaone", "olmo",
    "olmo2", "olmo3", "olmo_hybrid", "mobilellm", "granite", "granitemoehybrid", "cohere", "cohere2",
    "gemma", "gemma2", "vaultgemma", "gemma3_text", "gemma3", "helium", "glm", "glm_moe_dsa", "openelm",
    "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "qwen2_vl", "qwen2_5_vl", "qwen3_vl",
    "qwen3_vl_moe", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "gemma3n", "gemma4", "phi", "phi3", "mpt",
    "opt", "mbart", "mistral", "mistral4", "ministral", "ministral3", "ernie4_5", "starcoder2",
    "deepseek_v3", "deepseek_v4", "falcon", "falcon_h1", "nemotron_h", "trocr", "solar_open", "stablelm",
    "modernbert-decoder", "hunyuan_v1_dense", "youtu", "zaya", "hrm_text", "phi3_v"};
constexpr std::array<std::string_view, 9> kText2textGeneration = {
    "t5", "longt5", "mt5", "bart", "mbart", "marian", "m2m_100", "blenderbot", "blenderbot-small"};
constexpr std::array<std::string_view, 22> kImageClassification = {
    "vit", "ijepa", "pvt", "vit_msn", "fastvit", "mobilevit", "mobilevitv2", "beit", "deit", "hiera",
    "convnext", "convnextv2", "dinov2", "dinov2_with_registers", "resnet", "swin", "segformer",
    "efficientnet", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "mobilenet_v4"};
// clang-format on
constexpr std::array<ClassRow, 7> kClasses = {{
    {"fill-mask", kFillMask},
    {"text-classification", kTextClassification},
    {"token-classification", kTokenClassification},
    {"question-answering", kQuestionAnswering},
    {"text-generation", kTextGeneration},
    {"text2text-generation", kText2textGeneration},
    {"image-classification", kImageClassification},
}};

}  // namespace

std::string missing_class(std::string_view task, std::string_view model_type) {
  const auto row = std::ranges::find(kClasses, task, &ClassRow::task);
  if (row == kClasses.end() || model_type.empty()) return {};
  if (std::ranges::find(row->model_types, model_type) != row->model_types.end()) return {};
  return fmt::format("model_type {} has no class for {} in transformers.js: its pipeline refuses it",
                     quote(model_type), task);
}

}  // namespace bantam

#include "convert/lora/base_names.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace bantam {
namespace {

struct Names {
  std::string_view model_type;
  std::string_view embedding;  // tensors
  std::string_view head;
  bool tied;  // where config.json does not say
};
constexpr std::string_view kEmbedTokens = "model.embed_tokens.weight";
constexpr std::string_view kLmHead = "lm_head.weight";
// GPT-NeoX has had both.
constexpr std::string_view kEmbedOut = "embed_out.weight";
// Of transformers' classes: what their _tied_weights_keys say.
constexpr std::array<Names, 18> kNames = {{
    {"llama", kEmbedTokens, kLmHead, false},
    {"mistral", kEmbedTokens, kLmHead, false},
    {"qwen2", kEmbedTokens, kLmHead, false},
    {"qwen3", kEmbedTokens, kLmHead, false},
    {"phi", kEmbedTokens, kLmHead, false},
    {"phi3", kEmbedTokens, kLmHead, false},
    {"gemma3_text", kEmbedTokens, kLmHead, true},
    {"gpt2", "transformer.wte.weight", kLmHead, true},
    {"gpt_neo", "transformer.wte.weight", kLmHead, true},
    {"gpt_neox", "gpt_neox.embed_in.weight", kEmbedOut, false},
    {"albert", "albert.embeddings.word_embeddings.weight", "predictions.decoder.weight", true},
    {"bert", "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight", true},
    {"distilbert", "distilbert.embeddings.word_embeddings.weight", "vocab_projector.weight", true},
    {"electra", "electra.embeddings.word_embeddings.weight", "generator_lm_head.weight", true},
    {"mobilebert", "mobilebert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight", true},
    {"mpnet", "mpnet.embeddings.word_embeddings.weight", "lm_head.decoder.weight", true},
    {"roberta", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight", true},
    {"xlm-roberta", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight", true},
}};

// Decoders have no output but the vocabulary; of encoders, the module of the head has a bias at least.
bool has_head(const TensorMap& base, const Names& names) {
  if (names.head == kLmHead || names.head == kEmbedOut) return true;
  std::string_view module = names.head;
  for (const std::string_view last : {"weight", "decoder."}) {
    if (module.ends_with(last)) module.remove_suffix(last.size());
  }
  const auto first = base.lower_bound(module);
  return first != base.end() && first->first.starts_with(module);
}

}  // namespace

std::optional<std::string> find_base_name(const TensorMap& base, std::string_view name) {
  if (base.contains(name)) return std::string(name);
  const auto dot = name.find('.');
  if (dot != name.npos && base.contains(name.substr(dot + 1)) &&
      name.substr(dot + 1).find('.') != name.npos) {
    return std::string(name.substr(dot + 1));
  }
  std::optional<std::string> found;
  for (const auto& [candidate, source] : base) {
    const std::string_view text = candidate;
    if (text.size() <= name.size() || !text.ends_with(name) || text[text.size() - name.size() - 1] != '.')
      continue;
    if (text.find('.') != text.size() - name.size() - 1) continue;
    if (found) fail("could be {} or {} of the base", quote(*found), quote(candidate));
    found = candidate;
  }
  return found;
}

std::optional<Vocabulary> find_vocabulary(const Checkpoint& checkpoint) {
  const std::string type = checkpoint.config.string_or("model_type", "");
  const auto names = std::ranges::find(kNames, std::string_view(type), &Names::model_type);
  if (names == kNames.end()) return std::nullopt;
  const TensorMap& base = checkpoint.tensors;
  Vocabulary result{std::string(names->embedding), std::string(names->head), {}, false};
  if (names->head == kEmbedOut) {
    const bool renamed = base.contains(kLmHead);
    if (renamed) result.head = kLmHead;
    result.spelling = renamed ? kEmbedOut : kLmHead;
  }
  const auto embedding = find_base_name(base, result.embedding);
  if (!embedding && !base.contains(result.head)) return std::nullopt;
  if (embedding) result.embedding = *embedding;
  result.tied = has_head(base, *names) && checkpoint.config.boolean_or("tie_word_embeddings", names->tied);
  return result;
}

}  // namespace bantam

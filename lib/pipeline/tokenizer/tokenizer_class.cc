#include "pipeline/tokenizer/tokenizer_class.h"

#include <algorithm>

namespace bantam {
namespace {

using enum TokenizerModel;

// bos, eos, unk, sep, pad, cls, mask
constexpr std::array<std::string_view, 7> kBertTokens = {"",      "",      "[UNK]", "[SEP]",
                                                         "[PAD]", "[CLS]", "[MASK]"};
constexpr std::array<std::string_view, 7> kMpnetTokens = {"<s>",   "</s>", "[UNK]", "</s>",
                                                          "<pad>", "<s>",  "<mask>"};
constexpr std::array<std::string_view, 7> kRobertaTokens = {"<s>",   "</s>", "<unk>", "</s>",
                                                            "<pad>", "<s>",  "<mask>"};
constexpr std::array<std::string_view, 7> kAlbertTokens = {"[CLS]", "[SEP]", "<unk>", "[SEP]",
                                                           "<pad>", "[CLS]", "[MASK]"};

constexpr std::array kClasses = {
    TokenizerClass{"BertTokenizer", kWordPiece, kBertTokens, false, false, false, true},
    TokenizerClass{"DistilBertTokenizer", kWordPiece, kBertTokens, false, false, false, false},
    TokenizerClass{"ElectraTokenizer", kWordPiece, kBertTokens, false, false, false, true},
    TokenizerClass{"MobileBertTokenizer", kWordPiece, kBertTokens, false, false, false, true},
    TokenizerClass{"MPNetTokenizer", kWordPiece, kMpnetTokens, true, true, false, false},
    TokenizerClass{"RobertaTokenizer", kByteLevelBpe, kRobertaTokens, true, true, true, false},
    TokenizerClass{"XLMRobertaTokenizer", kXlmRobertaUnigram, kRobertaTokens, true, true, false, false},
    TokenizerClass{"AlbertTokenizer", kAlbertUnigram, kAlbertTokens, false, true, false, true},
};

struct ModelTokenizer {
  std::string_view model_type;
  std::string_view tokenizer_class;
};
constexpr std::array kModels = {
    ModelTokenizer{"bert", "BertTokenizer"},
    ModelTokenizer{"distilbert", "DistilBertTokenizer"},
    ModelTokenizer{"electra", "ElectraTokenizer"},
    ModelTokenizer{"mobilebert", "MobileBertTokenizer"},
    ModelTokenizer{"mpnet", "MPNetTokenizer"},
    ModelTokenizer{"roberta", "RobertaTokenizer"},
    ModelTokenizer{"xlm-roberta", "XLMRobertaTokenizer"},
    ModelTokenizer{"albert", "AlbertTokenizer"},
};

constexpr std::array<std::string_view, 5> kGenericClasses = {
    "PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend",
    "PythonBackend",       "SentencePieceBackend",
};

}  // namespace

const TokenizerClass* find_tokenizer_class(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  const auto found = std::ranges::find(kClasses, name, &TokenizerClass::name);
  return found == kClasses.end() ? nullptr : &*found;
}

const TokenizerClass* tokenizer_class_of_model(std::string_view model_type) {
  const auto found = std::ranges::find(kModels, model_type, &ModelTokenizer::model_type);
  return found == kModels.end() ? nullptr : find_tokenizer_class(found->tokenizer_class);
}

bool is_generic_tokenizer_class(std::string_view name) {
  return std::ranges::find(kGenericClasses, name) != kGenericClasses.end();
}

std::optional<std::int64_t> position_limit(const Config& config) {
  const std::string type = config.model_type();
  if (tokenizer_class_of_model(type) == nullptr) return std::nullopt;
  std::int64_t taken = 0;  // positions up to the padding id are never given to a token
  if (type == "roberta" || type == "xlm-roberta") taken = config.integer_or("pad_token_id", 1) + 1;
  if (type == "mpnet") taken = 2;  // its padding index is 1 whatever the config says
  const std::int64_t limit = config.integer_or("max_position_embeddings", 512, 1) - taken;
  if (limit < 1) return std::nullopt;
  return limit;
}

}  // namespace bantam

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "pipeline/tokenizer/json_text.h"
#include "pipeline/tokenizer/sentencepiece_model.h"
#include "pipeline/tokenizer/tokenizer_json.h"
#include "pipeline/tokenizer/tokenizer_writer.h"

namespace bantam {
namespace {

constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581, sentencepiece's space
constexpr std::int64_t kXlmRobertaUnknownId = 3;

struct Word {
  std::string_view text;
  double score;
};

// XLM-RoBERTa keeps fairseq's ids: four special tokens first, then sentencepiece's pieces without its own
// three, then the mask (XLMRobertaConverter).
std::vector<Word> xlm_roberta_words(const SentencePieceModel& model, const TokenizerSettings& settings) {
  const auto control = [&](std::size_t id) { return model.pieces[id].type == SentencePiece::kControl; };
  if (model.pieces.size() < 4 || model.unknown_id != 0 || !control(1) || !control(2)) {
    fail("does not start with <unk>, <s> and </s>, as XLM-RoBERTa's models do");
  }
  std::vector<Word> words;
  for (const SpecialRole role : {kBos, kPad, kEos, kUnk}) words.push_back({settings.token(role), 0.0});
  for (std::size_t id = 3; id < model.pieces.size(); ++id)
    words.push_back({model.pieces[id].text, model.pieces[id].score});
  words.push_back({settings.token(kMask), 0.0});
  return words;
}

// Pieces that end in a digit and a comma are kept out of the best segmentation: ALBERT's own tokenizer splits
// such pieces (AlbertConverter).
std::vector<Word> albert_words(const SentencePieceModel& model) {
  std::vector<Word> words;
  for (const SentencePiece& piece : model.pieces) {
    const std::size_t size = piece.text.size();
    const bool comma = size >= 2 && piece.text[size - 1] == ',' && piece.text[size - 2] >= '0' &&
                       piece.text[size - 2] <= '9';
    words.push_back({piece.text, comma ? piece.score - 100.0 : piece.score});
  }
  return words;
}

std::string words_text(const std::vector<Word>& words) {
  std::string text = "[";
  for (const Word& word : words) {
    text += text.size() > 1 ? ",\n      [\n        " : "\n      [\n        ";
    append_json_string(text, word.text);
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), word.score).ptr;
    const std::string_view score(digits.data(), static_cast<std::size_t>(end - digits.data()));
    text += ",\n        ";
    text += score;
    if (score.find_first_of(".e") == score.npos) text += ".0";
    text += "\n      ]";
  }
  return text + "\n    ]";
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u;
    };
    const unsigned bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

OrderedJson character_map(const SentencePieceModel& model) {
  return {{"type", "Precompiled"}, {"precompiled_charsmap", base64(model.character_map)}};
}

OrderedJson replacement(const char* kind, const char* pattern, std::string_view content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

OrderedJson normalizer_steps(std::vector<OrderedJson> steps) {
  return {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

OrderedJson albert_normalizer(const SentencePieceModel& model, const TokenizerSettings& settings) {
  std::vector<OrderedJson> steps = {replacement("String", "``", "\""), replacement("String", "''", "\"")};
  if (!settings.keep_accents.value_or(false)) {
    steps.push_back({{"type", "NFKD"}});
    steps.push_back({{"type", "StripAccents"}});
  }
  if (settings.do_lower_case.value_or(true)) steps.push_back({{"type", "Lowercase"}});
  if (!model.character_map.empty()) steps.push_back(character_map(model));
  return normalizer_steps(std::move(steps));
}

OrderedJson xlm_roberta_normalizer(const SentencePieceModel& model) {
  std::vector<OrderedJson> steps;
  if (!model.character_map.empty()) steps.push_back(character_map(model));
  steps.push_back({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
  steps.push_back(replacement("Regex", " {2,}", kSpaceMark));
  return normalizer_steps(std::move(steps));
}

// Control pieces are matched in the text before it is cut. User-defined pieces are not, though transformers'
// converters do so today: the best segmentation takes them anyway (their score is 0) and cuts around them as
// sentencepiece does, where the converters' tokenizers give other ids for most texts.
std::vector<AddedToken> all_added_tokens(const SentencePieceModel& model, const TokenizerSettings& settings) {
  std::vector<AddedToken> tokens = settings.added_tokens;
  for (const SentencePiece& piece : model.pieces) {
    if (piece.type == SentencePiece::kControl) tokens.push_back({.content = piece.text, .special = true});
  }
  return tokens;  // the first of a content counts
}

}  // namespace

std::string unigram_tokenizer_json(const std::filesystem::path& path, const TokenizerSettings& settings,
                                   std::vector<std::string>& notes) {
  BANTAM_ASSERT(settings.class_info != nullptr);
  const bool albert = settings.class_info->model == TokenizerModel::kAlbertUnigram;
  BANTAM_ASSERT(albert || settings.class_info->model == TokenizerModel::kXlmRobertaUnigram);
  const SentencePieceModel model = read_sentencepiece_model(path);
  if (model.kind != SentencePieceModel::kUnigram) return {};
  for (std::size_t role = 0; role < kSpecialRoles.size(); ++role) {
    if (settings.special_tokens[role]) continue;
    fail("{}: {} is null, which {} needs", path.string(), kSpecialRoles[role], settings.class_name);
  }
  const std::vector<Word> words = with_context(
      path.string(), [&] { return albert ? albert_words(model) : xlm_roberta_words(model, settings); });
  std::unordered_map<std::string_view, std::int64_t> ids;
  for (std::size_t id = 0; id < words.size(); ++id) ids[words[id].text] = static_cast<std::int64_t>(id);
  const auto find_id = [&](std::string_view word) -> std::optional<std::int64_t> {
    const auto found = ids.find(word);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };
  const std::vector<PlacedToken> added =
      place_added_tokens(all_added_tokens(model, settings), find_id, std::ssize(words));
  note_ids_beyond_embedding(path.filename().string(), added, std::ssize(words) - 1, settings, notes);

  // RoBERTa-style pairs keep one token type and two separators.
  const std::string& begin = settings.token(albert ? kCls : kBos);
  const std::string& end = settings.token(albert ? kSep : kEos);
  const std::vector<std::pair<std::string, std::int64_t>> special = {{begin, placed_id(added, begin)},
                                                                     {end, placed_id(added, end)}};
  const OrderedJson processor =
      albert ? template_processing({{begin}, {"$A"}, {end}}, {{begin}, {"$A"}, {end}, {"$B", 1}, {end, 1}},
                                   special)
             : template_processing({{begin}, {"$A"}, {end}}, {{begin}, {"$A"}, {end}, {end}, {"$B"}, {end}},
                                   special);
  const bool prefix_space = settings.add_prefix_space.value_or(true);
  const OrderedJson metaspace = {{"type", "Metaspace"},
                                 {"replacement", kSpaceMark},
                                 {"prepend_scheme", prefix_space ? "always" : "never"},
                                 {"split", true}};
  const OrderedJson split = {{"type", "WhitespaceSplit"}};
  // ALBERT's own tokenizer takes away all space but one between words (remove_space).
  const OrderedJson words_and_metaspace = {{"type", "Sequence"},
                                           {"pretokenizers", OrderedJson::array({split, metaspace})}};
  const OrderedJson vocabulary = {{"type", "Unigram"},
                                  {"unk_id", albert ? model.unknown_id : kXlmRobertaUnknownId},
                                  {"vocab", nullptr},
                                  {"byte_fallback", false}};
  const OrderedJson normalizer = albert ? albert_normalizer(model, settings) : xlm_roberta_normalizer(model);
  return write_tokenizer_json(added, {.normalizer = normalizer,
                                      .pre_tokenizer = albert ? words_and_metaspace : metaspace,
                                      .post_processor = processor,
                                      .decoder = metaspace,
                                      .model = vocabulary,
                                      .vocabulary = words_text(words)});
}

}  // namespace bantam

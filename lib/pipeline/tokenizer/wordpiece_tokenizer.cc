#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "pipeline/tokenizer/json_text.h"
#include "pipeline/tokenizer/tokenizer_json.h"
#include "pipeline/tokenizer/tokenizer_writer.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxVocabularyBytes = std::int64_t{32} << 20;
constexpr std::size_t kMaxWords = 2'000'000;
constexpr int kMaxWordCharacters = 100;  // longer words become the unknown token

// Lines as Python reads text: "\n", "\r\n" and "\r" end one. What follows the last line end is a line if not
// empty.
std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    if (lines.size() == kMaxWords) fail("holds more than {} lines", kMaxWords);
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
    if (text.empty()) break;
    text.remove_prefix(text.starts_with("\r\n") ? 2 : 1);
  }
  return lines;
}

bool has_capital(std::string_view word) {
  return !word.starts_with("[") && !word.starts_with("<") &&
         std::ranges::any_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

std::string wordpiece_tokenizer_json(const std::filesystem::path& vocabulary,
                                     const TokenizerSettings& settings, std::vector<std::string>& notes) {
  BANTAM_ASSERT(settings.class_info != nullptr && settings.class_info->model == TokenizerModel::kWordPiece);
  const std::string text = read_utf8_file(vocabulary, kMaxVocabularyBytes);
  const std::vector<std::string_view> lines =
      with_context(vocabulary.string(), [&] { return split_lines(text); });
  std::unordered_map<std::string_view, std::int64_t> ids;
  for (std::size_t line = 0; line < lines.size(); ++line) ids[lines[line]] = static_cast<std::int64_t>(line);

  const std::string& unk = settings.token(kUnk);
  const std::string& cls = settings.token(kCls);
  const std::string& sep = settings.token(kSep);
  if (!ids.contains(unk)) fail("{}: has no line {} (unk_token)", vocabulary.string(), quote(unk));
  if (cls.empty() || sep.empty())
    fail("{}: cls_token or sep_token is null, which {} needs", vocabulary.string(), settings.class_name);
  const auto find_id = [&](std::string_view word) -> std::optional<std::int64_t> {
    const auto found = ids.find(word);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };
  const std::vector<PlacedToken> added = place_added_tokens(settings.added_tokens, find_id, std::ssize(ids));
  note_ids_beyond_embedding(vocabulary.filename().string(), added, std::ssize(lines) - 1, settings, notes);

  const bool lower = settings.do_lower_case.value_or(true);
  if (lower && !settings.do_lower_case && std::ranges::count_if(lines, has_capital) > 100) {
    notes.push_back(
        fmt::format("{} holds words with capitals, and no tokenizer_config.json states do_lower_case: texts "
                    "are lowercased, as "
                    "transformers does; state \"do_lower_case\": false there if the model is cased",
                    vocabulary.filename().string()));
  }
  std::vector<std::pair<std::string_view, std::int64_t>> words;  // each at its last line
  for (std::size_t line = 0; line < lines.size(); ++line) {
    if (ids[lines[line]] == static_cast<std::int64_t>(line)) words.emplace_back(lines[line], line);
  }

  const OrderedJson strip =
      settings.strip_accents ? OrderedJson(*settings.strip_accents) : OrderedJson(nullptr);
  const OrderedJson normalizer = {{"type", "BertNormalizer"},
                                  {"clean_text", true},
                                  {"handle_chinese_chars", settings.tokenize_chinese_chars.value_or(true)},
                                  {"strip_accents", strip},  // null: as lowercase says
                                  {"lowercase", lower}};
  const std::vector<std::pair<std::string, std::int64_t>> special = {{cls, placed_id(added, cls)},
                                                                     {sep, placed_id(added, sep)}};
  const OrderedJson processor =
      settings.class_info->two_separators
          ? template_processing({{cls, 0}, {"$A", 0}, {sep, 0}},
                                {{cls, 0}, {"$A", 0}, {sep, 0}, {sep, 0}, {"$B", 1}, {sep, 1}}, special)
          : template_processing({{cls, 0}, {"$A", 0}, {sep, 0}},
                                {{cls, 0}, {"$A", 0}, {sep, 0}, {"$B", 1}, {sep, 1}}, special);
  const OrderedJson pre_tokenizer = {{"type", "BertPreTokenizer"}};
  const OrderedJson decoder = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  const OrderedJson model = {{"type", "WordPiece"},
                             {"unk_token", unk},
                             {"continuing_subword_prefix", "##"},
                             {"max_input_chars_per_word", kMaxWordCharacters},
                             {"vocab", nullptr}};
  return write_tokenizer_json(added, {.normalizer = normalizer,
                                      .pre_tokenizer = pre_tokenizer,
                                      .post_processor = processor,
                                      .decoder = decoder,
                                      .model = model,
                                      .vocabulary = vocabulary_text(words)});
}

}  // namespace bantam

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "pipeline/tokenizer/json_text.h"
#include "pipeline/tokenizer/tokenizer_json.h"
#include "pipeline/tokenizer/tokenizer_writer.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxFileBytes = std::int64_t{32} << 20;
constexpr std::int64_t kMaxId = std::int64_t{1} << 30;

using Words = std::vector<std::pair<std::string_view, std::int64_t>>;
using Ids = std::unordered_map<std::string_view, std::int64_t>;

// Sorted by id; two words of one id are refused. The words are views into `vocabulary`.
Words read_words(const Json& vocabulary) {
  if (!vocabulary.is_object()) fail("an object of ids by word was expected");
  Words words;
  for (const auto& [word, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxId)) {
      fail("{}: {} where an id was expected", quote(word, 60), quote(id.dump(), 60));
    }
    words.emplace_back(word, id.get<std::int64_t>());
  }
  std::ranges::sort(words, {}, &Words::value_type::second);
  const auto same = std::ranges::adjacent_find(words, {}, &Words::value_type::second);
  if (same != words.end()) {
    fail("{} and {} have the same id {}", quote(same->first, 60), quote((same + 1)->first, 60), same->second);
  }
  return words;
}

struct Merge {
  std::string_view left;
  std::string_view right;
};

// Pairs in the order of the lines, without the version line; a pair that comes twice has its last place.
std::vector<Merge> read_merges(std::string_view text, const Ids& ids) {
  std::vector<Merge> merges;
  std::unordered_map<std::string_view, std::size_t> last;
  std::string joined;
  std::int64_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos) {
      fail("line {}: {} where two parts of a word were expected", number, quote(line, 60));
    }
    const Merge merge{line.substr(0, space), line.substr(space + 1)};
    joined.assign(merge.left).append(merge.right);
    for (const std::string_view word : {merge.left, merge.right, std::string_view(joined)}) {
      if (!ids.contains(word)) fail("line {}: {} is not in the vocabulary", number, quote(word, 60));
    }
    last[line] = merges.size();
    merges.push_back(merge);
  }
  std::size_t place = 0;
  std::erase_if(merges, [&](const Merge& merge) {
    const std::string_view line(merge.left.data(), merge.left.size() + 1 + merge.right.size());
    return last[line] != place++;
  });
  return merges;
}

std::string merges_text(const std::vector<Merge>& merges) {
  if (merges.empty()) return "[]";
  std::string text = "[";
  for (const Merge& merge : merges) {
    text += text.size() > 1 ? ",\n      [\n        " : "\n      [\n        ";
    append_json_string(text, merge.left);
    text += ",\n        ";
    append_json_string(text, merge.right);
    text += "\n      ]";
  }
  return text + "\n    ]";
}

}  // namespace

std::string byte_level_bpe_tokenizer_json(const std::filesystem::path& vocabulary,
                                          const std::filesystem::path& merges,
                                          const TokenizerSettings& settings,
                                          std::vector<std::string>& notes) {
  BANTAM_ASSERT(settings.class_info != nullptr &&
                settings.class_info->model == TokenizerModel::kByteLevelBpe);
  const Json ids_by_word = read_json_file(vocabulary, {.max_bytes = kMaxFileBytes, .max_depth = 2});
  const Words words = with_context(vocabulary.string(), [&] { return read_words(ids_by_word); });
  const Ids ids(words.begin(), words.end());
  const std::string text = read_utf8_file(merges, kMaxFileBytes);
  const std::vector<Merge> pairs = with_context(merges.string(), [&] { return read_merges(text, ids); });

  const std::string& cls = settings.token(kCls);
  const std::string& sep = settings.token(kSep);
  if (cls.empty() || sep.empty()) {
    fail("{}: cls_token or sep_token is null, which {} needs", vocabulary.string(), settings.class_name);
  }
  const auto find_id = [&](std::string_view word) -> std::optional<std::int64_t> {
    const auto found = ids.find(word);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };
  const std::vector<PlacedToken> added =
      place_added_tokens(settings.added_tokens, find_id, std::ssize(words));
  note_ids_beyond_embedding(vocabulary.filename().string(), added, words.empty() ? 0 : words.back().second,
                            settings, notes);

  const bool prefix_space = settings.add_prefix_space.value_or(false);
  const OrderedJson pre_tokenizer = {
      {"type", "ByteLevel"}, {"add_prefix_space", prefix_space}, {"trim_offsets", true}, {"use_regex", true}};
  const OrderedJson processor = {{"type", "RobertaProcessing"},
                                 {"sep", OrderedJson::array({sep, placed_id(added, sep)})},
                                 {"cls", OrderedJson::array({cls, placed_id(added, cls)})},
                                 {"trim_offsets", settings.trim_offsets.value_or(true)},
                                 {"add_prefix_space", prefix_space}};
  const OrderedJson decoder = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  const OrderedJson model = {{"type", "BPE"},
                             {"dropout", nullptr},
                             {"unk_token", nullptr},
                             {"continuing_subword_prefix", ""},
                             {"end_of_word_suffix", ""},
                             {"fuse_unk", false},
                             {"byte_fallback", false},
                             {"ignore_merges", false},
                             {"vocab", nullptr},
                             {"merges", nullptr}};
  return write_tokenizer_json(added, {.normalizer = OrderedJson(nullptr),
                                      .pre_tokenizer = pre_tokenizer,
                                      .post_processor = processor,
                                      .decoder = decoder,
                                      .model = model,
                                      .vocabulary = vocabulary_text(words),
                                      .merges = merges_text(pairs)});
}

}  // namespace bantam

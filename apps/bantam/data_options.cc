#include "data_options.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

// A word of an option and what it stands for.
template <typename Enum>
using Words = std::vector<std::pair<std::string_view, Enum>>;

const Words<Header> kHeaders = {{"auto", Header::kAuto}, {"yes", Header::kYes}, {"no", Header::kNo}};
const Words<Quotes> kQuotes = {
    {"auto", Quotes::kAuto}, {"always", Quotes::kAlways}, {"never", Quotes::kNever}};
const Words<CharacterSet> kEncodings = {{"utf-8", CharacterSet::kUtf8}, {"latin1", CharacterSet::kLatin1}};
const Words<TextUnit> kUnits = {
    {"line", TextUnit::kLine}, {"paragraph", TextUnit::kParagraph}, {"document", TextUnit::kDocument}};

template <typename Enum>
std::vector<Choice> choices(const Words<Enum>& words) {
  std::vector<Choice> list;
  for (const auto& [word, value] : words) list.push_back({std::string(word), ""});
  return list;
}

template <typename Enum>
Enum value_of(const Words<Enum>& words, const std::string& word) {
  const auto found = std::ranges::find(words, word, &std::pair<std::string_view, Enum>::first);
  BANTAM_ASSERT(found != words.end());
  return found->second;
}

std::map<std::string, std::string> mapping(std::string_view option, const std::vector<std::string>& list) {
  std::map<std::string, std::string> map;
  for (const std::string& item : list) {
    const std::size_t at = item.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == item.size()) {
      fail_usage("{}: {} where NAME=NAME was expected", option, quote(item));
    }
    if (!map.emplace(item.substr(0, at), item.substr(at + 1)).second) {
      fail_usage("{}: {} is mapped twice", option, quote(item.substr(0, at)));
    }
  }
  return map;
}

}  // namespace

namespace {

// What both lists of options begin with.
void declare_columns(Options& options, TextOptions& data) {
  options.group("Data");
  std::vector<Choice> formats;
  for (const DatasetFormat& format : dataset_formats()) {
    formats.push_back({std::string(format.name), std::string(format.description)});
  }
  options.add("--format FORMAT", data.format, "Format of the data. Default: by extension, then by content.",
              {.choices = std::move(formats)});
  options.add(
      "--columns LIST", data.columns,
      "Which column a field is read from: text=review,label=stars. Fields: id, text, pair, label, words, tags, "
      "answers; columns of files without header are 1, 2, ... Common names are found without this.");
}

void declare_amount(Options& options, TextOptions& data, std::string seed_help) {
  options.add("--limit N", data.limit, "Use at most N examples, drawn by the seed. Default: all.",
              {.min = 1});
  options.add("--seed N", data.seed, std::move(seed_help), {.min = 0});
  options.add(
      "--max-length N", data.max_length,
      "Cut texts to so many tokens. Default: what the model takes, at most 512 (question answering: 384).",
      {.min = 2, .max = 1 << 20});
}

void declare_reading(Options& options, TextOptions& data) {
  options.add("--header WORD", data.header, "Whether CSV and TSV begin with a header line.",
              {.choices = choices(kHeaders)});
  options.add("--quotes WORD", data.quotes, "Whether fields of CSV and TSV are quoted.",
              {.choices = choices(kQuotes)});
  options.add("--encoding NAME", data.encoding, "Character set of text formats.",
              {.choices = choices(kEncodings)});
  options.add("--unit WORD", data.unit, "What one example of a plain text file is.",
              {.choices = choices(kUnits)});
}

DatasetOptions dataset_of(const TextOptions& data) {
  DatasetOptions options;
  options.format = data.format;
  options.columns = mapping("--columns", data.columns);
  options.header = value_of(kHeaders, data.header);
  options.quotes = value_of(kQuotes, data.quotes);
  options.charset = value_of(kEncodings, data.encoding);
  options.unit = value_of(kUnits, data.unit);
  options.limit = data.limit;
  options.seed = static_cast<std::uint64_t>(data.seed);
  return options;
}

}  // namespace

void declare_texts(Options& options, TextOptions& texts) {
  declare_columns(options, texts);
  declare_amount(options, texts, "Of the sample that --limit draws. Default: 0.");
  declare_reading(options, texts);
}

CalibrationDataOptions calibration_data(const TextOptions& texts, const std::filesystem::path& file) {
  return {file, dataset_of(texts), texts.max_length};
}

void declare_data(Options& options, DataOptions& data) {
  declare_columns(options, data);
  options.add("--labels LIST", data.labels,
              "What the data call a class, and what the model calls it: pos=POSITIVE,neg=NEGATIVE.");
  options.add(
      "--metric NAME", data.metric,
      "Score: accuracy, f1, f1-macro, matthews (classes); f1 (entities); f1, exact-match (answers); spearman, "
      "pearson, ndcg@10, mrr@10 (embeddings, rerankers); perplexity, or rouge1, rouge2, "
      "rougeL, bleu of the answers to prompts (text generation). Default: the first of the task.");
  declare_amount(options, data, "Of samples and bootstrap. Default: 0.");
  options.add(
      "--stride N", data.stride,
      "Text generation: tokens that windows move by. Default: --max-length, windows that do not overlap; less "
      "gives each token more context and takes longer.",
      {.min = 1, .max = 1 << 20});
  options.add("--max-new-tokens N", data.max_new_tokens,
              "Text generation with rouge or bleu: most tokens of an answer. Default: 128.",
              {.min = 1, .max = 1 << 20});
  options.add("--chat", data.chat, "The same: put each prompt through the bundle's chat template.");
  declare_reading(options, data);
}

EvaluationTaskOptions evaluation_data(const DataOptions& data, const std::filesystem::path& file) {
  EvaluationTaskOptions options;
  options.data = file;
  options.dataset = dataset_of(data);
  options.metric = data.metric;
  options.renames = mapping("--labels", data.labels);
  options.max_length = data.max_length;
  options.stride = data.stride;
  options.max_new_tokens = data.max_new_tokens;
  options.chat = data.chat;
  options.seed = static_cast<std::uint64_t>(data.seed);
  return options;
}

}  // namespace bantam

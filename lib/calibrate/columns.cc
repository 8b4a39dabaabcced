#include "calibrate/columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/table.h"

namespace bantam {
namespace {

using Names = std::vector<std::string_view>;
using Layout = std::vector<std::string_view>;

constexpr std::array<std::pair<std::string_view, std::string ColumnMap::*>, 7> kFields = {{
    {"id", &ColumnMap::id},
    {"text", &ColumnMap::text},
    {"pair", &ColumnMap::pair},
    {"label", &ColumnMap::label},
    {"words", &ColumnMap::words},
    {"tags", &ColumnMap::tags},
    {"answers", &ColumnMap::answers},
}};

// First and second text of a pair belong together: the first of these of which both columns are there.
constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
    {"sentence1", "sentence2"},
    {"question1", "question2"},
    {"premise", "hypothesis"},
    {"question", "sentence"},
    {"text1", "text2"},
    {"text", "text_pair"},
    {"sentence_A", "sentence_B"},
    {"query", "passage"},
    {"query", "document"},
    {"query", "text"},
    {"text", "pair"},
};

// What a kind of example is made of, and what data sets call it.
struct Wanted {
  std::string_view field;
  bool required;
  Names names;
};

std::vector<Wanted> wanted(DatasetKind kind) {
  const Names ids = {"id", "idx", "guid"};
  const Names scores = {"score", "label", "similarity_score", "similarity", "relatedness_score", "relevance"};
  switch (kind) {
    case DatasetKind::kText:
      return {{"text",
               true,
               {"text", "sentence", "sentence1", "content", "review", "question", "document", "context"}}};
    case DatasetKind::kClassification:
      return {
          {"id", false, ids},
          {"text", true, {"text", "sentence", "content", "review", "question", "document", "tweet", "title"}},
          {"pair", false, {}},
          {"label", false, {"label", "labels", "class", "category", "coarse_label", "sentiment", "intent"}}};
    case DatasetKind::kSimilarity:
      return {{"id", false, ids},
              {"text", true, {"text", "sentence", "content", "review", "question", "document"}},
              {"pair", false, {}},
              {"label", false, scores}};
    case DatasetKind::kTokenClassification:
      return {{"id", false, ids},
              {"words", false, {"tokens", "words"}},
              {"text", false, {"text", "sentence", "content"}},
              {"tags", false, {"ner_tags", "tags", "labels", "pos_tags", "chunk_tags"}}};
    case DatasetKind::kQuestionAnswering:
      return {{"id", false, ids},
              {"text", true, {"question", "query"}},
              {"pair", true, {"context", "passage", "document"}},
              {"answers", false, {"answers", "answer"}}};
    case DatasetKind::kGeneration:
      return {{"id", false, ids},
              {"text",
               true,
               {"prompt", "text", "input", "question", "instruction", "source", "document", "article",
                "dialogue"}},
              {"answers",
               true,
               {"reference", "references", "target", "response", "completion", "output", "summary",
                "highlights", "answer", "answers"}}};
    case DatasetKind::kRanking:
      return {{"id", false, {"query_id", "query-id", "qid"}},
              {"text", true, {}},
              {"pair", true, {}},
              {"label", false, scores}};
  }
  return {};
}

// What columns without names are, by their number.
Layout layout(DatasetKind kind, std::size_t count, bool label_first) {
  const bool pairs = kind == DatasetKind::kSimilarity || kind == DatasetKind::kRanking;
  if (kind == DatasetKind::kText && count == 1) return {"text"};
  if (kind == DatasetKind::kText || kind == DatasetKind::kClassification) {
    if (count == 1) return {"text"};
    if (count == 2) return label_first ? Layout{"label", "text"} : Layout{"text", "label"};
    if (count == 3) return {"text", "pair", "label"};
  }
  if (kind == DatasetKind::kGeneration && count == 2) return {"text", "answers"};
  if (kind == DatasetKind::kSimilarity && count == 1) return {"text"};
  if (kind == DatasetKind::kTokenClassification && count == 1) return {"text"};
  if (pairs && count == 2) return {"text", "pair"};
  if (pairs && count == 3) return {"text", "pair", "label"};
  if (kind == DatasetKind::kRanking && count == 4) return {"id", "text", "pair", "label"};
  return {};
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 20; ++i) text += (i == 0 ? "" : ", ") + printable(names[i]);
  return names.size() > 20 ? text + ", ..." : text;
}

// The columns that the user named.
ColumnMap map_by_option(const std::vector<std::string>& columns, const DatasetOptions& options) {
  ColumnMap map;
  for (const auto& [field, column] : options.columns) {
    const auto known = std::ranges::find(kFields, field, &decltype(kFields)::value_type::first);
    if (known == kFields.end()) {
      fail_usage(
          "there is no field \"{}\" to map a column to; fields are id, text, pair, label, words, tags, "
          "answers",
          field);
    }
    if (std::ranges::find(columns, column) == columns.end()) {
      fail("there is no column \"{}\" to take {} from; the columns are {}", column, field, list_of(columns));
    }
    map.*(known->second) = column;
  }
  return map;
}

void check_required(ColumnMap& map, const std::vector<std::string>& columns, DatasetKind kind) {
  if (kind == DatasetKind::kTokenClassification && map.words.empty() && map.text.empty()) {
    fail("no column is known to hold words (or a text); the columns are {}; name it: words=COLUMN",
         list_of(columns));
  }
  for (const Wanted& want : wanted(kind)) {
    if (!want.required || !map.field(want.field).empty()) continue;
    fail("no column is known to hold the {} of {} data; the columns are {}; name it: {}=COLUMN", want.field,
         name(kind), list_of(columns), want.field);
  }
}

bool is_integer(const Json& row, const char* column) {
  if (!row.contains(column) || !row[column].is_string()) return false;
  const auto& text = row[column].get_ref<const std::string&>();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string& ColumnMap::field(std::string_view field_name) {
  const auto known = std::ranges::find(kFields, field_name, &decltype(kFields)::value_type::first);
  BANTAM_ASSERT(known != kFields.end());
  return this->*(known->second);
}

std::vector<std::string> ColumnMap::used() const {
  std::vector<std::string> columns;
  for (const auto& [field_name, member] : kFields) {
    if (!(this->*member).empty()) columns.push_back(this->*member);
  }
  return columns;
}

ColumnMap map_named_columns(const std::vector<std::string>& columns, DatasetKind kind,
                            const DatasetOptions& options) {
  ColumnMap map = map_by_option(columns, options);
  const auto has = [&](std::string_view column) {
    return std::ranges::find(columns, column) != columns.end();
  };
  const std::vector<Wanted> fields = wanted(kind);
  const bool may_pair = std::ranges::any_of(
      fields, [](const Wanted& want) { return want.field == "pair" && want.names.empty(); });
  for (const auto& [first, second] : kPairs) {
    if (!may_pair || !map.text.empty() || !map.pair.empty() || !has(first) || !has(second)) continue;
    map.text = first;
    map.pair = second;
  }
  for (const Wanted& want : fields) {
    std::string& column = map.field(want.field);
    const auto free = [&](std::string_view candidate) {
      const auto used = map.used();
      return has(candidate) && std::ranges::find(used, candidate) == used.end();
    };
    const auto found = std::ranges::find_if(want.names, free);
    if (column.empty() && found != want.names.end()) column = *found;
  }
  check_required(map, columns, kind);
  return map;
}

ColumnMap map_positional_columns(const std::vector<std::string>& columns, const Json& first, DatasetKind kind,
                                 const DatasetOptions& options) {
  ColumnMap map = map_by_option(columns, options);
  if (options.columns.empty()) {
    const Layout fields = layout(kind, columns.size(), is_integer(first, "1") && !is_integer(first, "2"));
    if (fields.empty()) {
      fail(
          "{} columns without a header line, and no way to tell what each is in {} data; say it: text=1 "
          "label=2 (columns "
          "count from 1)",
          columns.size(), name(kind));
    }
    for (std::size_t i = 0; i < fields.size(); ++i) map.field(fields[i]) = columns[i];
  }
  check_required(map, columns, kind);
  return map;
}

bool is_known_column(std::string_view column) {
  for (const auto& [first, second] : kPairs) {
    if (column == first || column == second) return true;
  }
  for (const DatasetKind kind : {DatasetKind::kText, DatasetKind::kClassification, DatasetKind::kSimilarity,
                                 DatasetKind::kTokenClassification, DatasetKind::kQuestionAnswering,
                                 DatasetKind::kGeneration, DatasetKind::kRanking}) {
    for (const Wanted& want : wanted(kind)) {
      if (std::ranges::find(want.names, column) != want.names.end()) return true;
    }
  }
  return false;
}

}  // namespace bantam

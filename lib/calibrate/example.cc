// From a row (a JSON object) to an example: types are checked here, once for all formats.
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "calibrate/columns.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

const Json& value_of(const Json& row, const std::string& column) {
  const auto found = row.find(column);
  if (found == row.end()) fail("there is no \"{}\" here", column);
  return *found;
}

std::string text_of(const Json& row, const std::string& column) {
  const Json& value = value_of(row, column);
  if (!value.is_string()) fail("\"{}\" is a JSON {} where text was expected", column, value.type_name());
  return value.get<std::string>();
}

// Numbers and text stay what they are; text from CSV is made sense of where labels are read (labels.h).
Label label_of(const Json& value, const std::string& column) {
  switch (value.type()) {
    case Json::value_t::null:
      return std::monostate();
    case Json::value_t::boolean:
      return std::int64_t{value.get<bool>()};
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return value.get<std::int64_t>();
    case Json::value_t::number_float:
      return value.get<double>();
    case Json::value_t::string: {
      const std::string_view text = trim(value.get_ref<const std::string&>());
      if (text.empty()) return std::monostate();
      return std::string(text);
    }
    default:
      fail("\"{}\" is a JSON {} where a label was expected", column, value.type_name());
  }
}

std::vector<std::string> words_of(const Json& row, const std::string& column) {
  const Json& value = value_of(row, column);
  std::vector<std::string> words;
  if (value.is_string()) {  // a CSV cell: words between blanks
    const auto& text = value.get_ref<const std::string&>();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      if (end > at) words.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return words;
  }
  if (!value.is_array())
    fail("\"{}\" is a JSON {} where a list of words was expected", column, value.type_name());
  for (const Json& word : value) {
    if (!word.is_string()) fail("\"{}\" holds a JSON {} where a word was expected", column, word.type_name());
    words.push_back(word.get<std::string>());
  }
  return words;
}

std::vector<Label> tags_of(const Json& row, const std::string& column) {
  const Json& value = value_of(row, column);
  std::vector<Label> tags;
  if (value.is_null()) return tags;
  if (value.is_string()) {
    for (std::string& tag : words_of(row, column)) tags.emplace_back(std::move(tag));
    return tags;
  }
  if (!value.is_array())
    fail("\"{}\" is a JSON {} where a list of tags was expected", column, value.type_name());
  for (const Json& tag : value) tags.push_back(label_of(tag, column));
  return tags;
}

void add_answer(Example& example, const Json& text, const Json& start) {
  if (!text.is_string()) fail("an answer is a JSON {} where text was expected", text.type_name());
  example.answers.push_back(text.get<std::string>());
  std::int64_t byte = -1;
  if (start.is_number_integer() && start.get<std::int64_t>() >= 0) {
    const std::size_t at = byte_of_character(example.pair, start.get<std::int64_t>());
    // Starts that point elsewhere are common in converted data sets; scores need only the text.
    if (std::string_view(example.pair).substr(at).starts_with(example.answers.back()))
      byte = static_cast<std::int64_t>(at);
  }
  example.answer_starts.push_back(byte);
}

// {"text": [...], "answer_start": [...]}, [{"text", "answer_start"}], a list of strings, or one string.
void read_answers(Example& example, const Json& value, const std::string& column) {
  if (value.is_null()) return;
  example.has_answers = true;
  const Json unknown(-1);
  if (value.is_string()) {
    add_answer(example, value, unknown);
  } else if (value.is_array()) {
    for (const Json& answer : value) {
      if (answer.is_object() && answer.contains("text")) {
        add_answer(example, answer["text"], answer.value("answer_start", unknown));
      } else {
        add_answer(example, answer, unknown);
      }
    }
  } else if (value.is_object() && value.contains("text") && value["text"].is_array()) {
    const Json starts = value.value("answer_start", Json::array());
    for (std::size_t i = 0; i < value["text"].size(); ++i) {
      add_answer(example, value["text"][i], starts.is_array() && i < starts.size() ? starts[i] : unknown);
    }
  } else {
    fail("\"{}\" is a JSON {} where answers were expected", column, value.type_name());
  }
}

}  // namespace

Example example_from_row(const Json& row, DatasetKind kind, const ColumnMap& columns) {
  Example example;
  if (!columns.id.empty() && row.contains(columns.id)) {
    const Json& id = row[columns.id];
    if (id.is_string()) example.id = id.get<std::string>();
    if (id.is_number_integer()) example.id = id.dump();
  }
  if (kind == DatasetKind::kTokenClassification && !columns.words.empty()) {
    example.words = words_of(row, columns.words);
    if (!columns.tags.empty()) example.tags = tags_of(row, columns.tags);
    if (!example.tags.empty() && example.tags.size() != example.words.size()) {
      fail("{} tags for {} words", example.tags.size(), example.words.size());
    }
    return example;
  }
  example.text = text_of(row, columns.text);
  if (!columns.pair.empty()) {
    example.pair = text_of(row, columns.pair);
    example.has_pair = true;
  }
  if (!columns.label.empty()) example.label = label_of(value_of(row, columns.label), columns.label);
  if (!columns.answers.empty()) read_answers(example, value_of(row, columns.answers), columns.answers);
  return example;
}

}  // namespace bantam

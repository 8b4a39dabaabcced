#include "calibrate/metrics/squad.h"

#include <algorithm>
#include <map>
#include <vector>

#include "calibrate/unicode.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

bool is_punctuation(char32_t c) {
  return (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) || (c >= 0x5b && c <= 0x60) ||
         (c >= 0x7b && c <= 0x7e);
}

// Appends `run`, a longest run of word characters or of others, unless it is an article; then a blank takes
// its place.
void append_run(std::string& text, std::string_view run) {
  const bool article = run == "a" || run == "an" || run == "the";
  text.append(article ? std::string_view(" ") : run);
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

AnswerScore compare(std::string_view prediction, std::string_view answer) {
  AnswerScore score;
  score.exact = prediction == answer ? 1 : 0;
  const std::vector<std::string> given = split(prediction), wanted = split(answer);
  if (given.empty() || wanted.empty()) return {score.exact, given.empty() && wanted.empty() ? 1.0 : 0.0};
  std::map<std::string_view, std::int64_t> left;
  for (const std::string& word : wanted) ++left[word];
  std::int64_t common = 0;
  for (const std::string& word : given) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  score.f1 = 2 * static_cast<double>(common) / static_cast<double>(given.size() + wanted.size());
  return score;
}

}  // namespace

std::string normalize_answer(std::string_view answer) {
  const std::string low = lowercase(answer);
  std::string bare;
  for (const char c : low) {
    if (!is_punctuation(static_cast<unsigned char>(c))) bare.push_back(c);
  }
  std::string plain;
  std::size_t begin = 0;
  bool in_word = false;
  for (std::size_t at = 0; at < bare.size();) {
    std::size_t next = at;
    const bool word = is_word_character(next_character(bare, next));
    if (word != in_word) {
      append_run(plain, std::string_view(bare).substr(begin, at - begin));
      begin = at;
      in_word = word;
    }
    at = next;
  }
  append_run(plain, std::string_view(bare).substr(begin));
  std::string joined;
  bool gap = false;
  for (std::size_t at = 0; at < plain.size();) {
    const std::size_t from = at;
    if (is_space(next_character(plain, at))) {
      gap = true;
      continue;
    }
    if (gap && !joined.empty()) joined.push_back(' ');
    gap = false;
    joined.append(plain, from, at - from);
  }
  return joined;
}

AnswerScore answer_score(std::string_view prediction, std::span<const std::string> answers) {
  const std::string given = normalize_answer(prediction);
  AnswerScore best;
  bool answerable = false;
  for (const std::string& answer : answers) {
    const std::string wanted = normalize_answer(answer);
    if (wanted.empty()) continue;
    answerable = true;
    const AnswerScore score = compare(given, wanted);
    best = {std::max(best.exact, score.exact), std::max(best.f1, score.f1)};
  }
  return answerable ? best : compare(given, "");
}

}  // namespace bantam

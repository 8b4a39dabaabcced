#include "calibrate/metrics/rouge.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>

#include "base/error.h"
#include "calibrate/metrics/porter.h"
#include "calibrate/unicode.h"

namespace bantam {
namespace {

using Words = std::vector<std::string>;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

double f1(double common, double reference, double text) {
  const double precision = common / std::max(text, 1.0), recall = common / std::max(reference, 1.0);
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

std::map<Words, std::int64_t> ngrams(const Words& words, std::size_t n) {
  std::map<Words, std::int64_t> counts;
  for (std::size_t i = 0; i + n <= words.size(); ++i) {
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(i);
    ++counts[Words(begin, begin + static_cast<std::ptrdiff_t>(n))];
  }
  return counts;
}

double count_of(const Words& words, std::size_t n) {
  return words.size() < n ? 0 : static_cast<double>(words.size() - n + 1);
}

}  // namespace

std::vector<std::string> rouge_words(std::string_view text, Stemming stemming) {
  const std::string lower = lowercase(text);
  Words words;
  for (std::size_t at = 0; at < lower.size();) {
    std::size_t end = at;
    while (end < lower.size() && is_word(lower[end])) ++end;
    if (end > at) words.push_back(lower.substr(at, end - at));
    at = end + 1;
  }
  if (stemming == Stemming::kNone) return words;
  for (std::string& word : words) {
    if (word.size() > 3) word = porter_stem(word);
  }
  return words;
}

double rouge_n(const Words& reference, const Words& text, std::size_t n) {
  BANTAM_ASSERT(n > 0);
  const auto wanted = ngrams(reference, n);
  const auto given = ngrams(text, n);
  std::int64_t common = 0;
  for (const auto& [ngram, count] : wanted) {
    const auto found = given.find(ngram);
    if (found != given.end()) common += std::min(count, found->second);
  }
  return f1(static_cast<double>(common), count_of(reference, n), count_of(text, n));
}

double rouge_l(const Words& reference, const Words& text) {
  if (reference.empty() || text.empty()) return 0;
  // One row of the table of longest common subsequences.
  std::vector<std::int64_t> row(text.size() + 1, 0);
  for (const std::string& word : reference) {
    std::int64_t diagonal = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::int64_t above = row[i + 1];
      row[i + 1] = word == text[i] ? diagonal + 1 : std::max(above, row[i]);
      diagonal = above;
    }
  }
  return f1(static_cast<double>(row.back()), static_cast<double>(reference.size()),
            static_cast<double>(text.size()));
}

}  // namespace bantam

#include "calibrate/metrics/bleu.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

constexpr std::size_t kOrders = 4;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

bool is_digit(char32_t c) {
  return c >= U'0' && c <= U'9';
}
bool is_point(char32_t c) {
  return c == U'.' || c == U',';
}

// What stands alone wherever it is: ASCII that is no letter, digit, control character, ' , - or .
bool is_symbol(char32_t c) {
  return (c >= U'{' && c <= U'~') || (c >= U'[' && c <= U'`') || (c >= U' ' && c <= U'&') ||
         (c >= U'(' && c <= U'+') || (c >= U':' && c <= U'@') || c == U'/';
}

std::u32string decoded(std::string_view text) {
  std::u32string characters;
  for (std::size_t at = 0; at < text.size();) characters += next_character(text, at);
  return characters;
}

// Each pair of neighbours that `fits` becomes `with`; the search goes on behind it.
template <typename Fits, typename With>
std::u32string rewritten(const std::u32string& text, Fits fits, With with) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && fits(text[i], text[i + 1])) {
      out += with(text[i], text[i + 1]);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

void put_blanks_around_symbols(std::u32string& text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (is_symbol(c)) out += U' ';
    out += c;
    if (is_symbol(c)) out += U' ';
  }
  text = std::move(out);
}

std::vector<std::string> split(const std::u32string& text) {
  std::vector<std::string> tokens;
  std::string token;
  for (const char32_t c : text) {
    if (!is_space(c)) {
      append_utf8(token, c);
    } else if (!token.empty()) {
      tokens.push_back(std::exchange(token, {}));
    }
  }
  if (!token.empty()) tokens.push_back(token);
  return tokens;
}

using Tokens = std::vector<std::string>;

std::map<Tokens, std::int64_t> ngrams(const Tokens& tokens, std::size_t n) {
  std::map<Tokens, std::int64_t> counts;
  for (std::size_t i = 0; i + n <= tokens.size(); ++i) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(i);
    ++counts[Tokens(begin, begin + static_cast<std::ptrdiff_t>(n))];
  }
  return counts;
}

}  // namespace

std::vector<std::string> bleu_tokens(std::string_view text) {
  std::string line(text);
  if (const auto at = invalid_utf8(line)) fail("byte {} is not UTF-8", *at);
  // Blanks at the end go first, as sacrebleu has it, so that "-\n" at the end of a text keeps its hyphen.
  std::u32string characters = decoded(line);
  while (!characters.empty() && is_space(characters.back())) characters.pop_back();
  line.clear();
  for (const char32_t c : characters) append_utf8(line, c);
  replace_all(line, "<skipped>", "");
  replace_all(line, "-\n", "");
  replace_all(line, "\n", " ");
  for (const auto& [entity, character] :
       {std::pair{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}})
    replace_all(line, entity, character);
  characters = U' ' + decoded(line) + U' ';
  put_blanks_around_symbols(characters);
  characters = rewritten(
      characters, [](char32_t a, char32_t b) { return !is_digit(a) && is_point(b); },
      [](char32_t a, char32_t b) {
        return std::u32string{a, U' ', b, U' '};
      });
  characters = rewritten(
      characters, [](char32_t a, char32_t b) { return is_point(a) && !is_digit(b); },
      [](char32_t a, char32_t b) {
        return std::u32string{U' ', a, U' ', b};
      });
  characters = rewritten(
      characters, [](char32_t a, char32_t b) { return is_digit(a) && b == U'-'; },
      [](char32_t a, char32_t b) {
        return std::u32string{a, U' ', b, U' '};
      });
  return split(characters);
}

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (std::size_t n = 0; n < kOrders; ++n) {
    correct[n] += other.correct[n];
    total[n] += other.total[n];
  }
  length += other.length;
  reference_length += other.reference_length;
  return *this;
}

BleuCounts bleu_counts(std::string_view reference, std::string_view text) {
  const Tokens wanted = bleu_tokens(reference), given = bleu_tokens(text);
  BleuCounts counts;
  counts.length = std::ssize(given);
  counts.reference_length = std::ssize(wanted);
  for (std::size_t n = 1; n <= kOrders; ++n) {
    const auto known = ngrams(wanted, n);
    for (const auto& [ngram, count] : ngrams(given, n)) {
      counts.total[n - 1] += count;
      const auto found = known.find(ngram);
      if (found != known.end()) counts.correct[n - 1] += std::min(count, found->second);
    }
  }
  return counts;
}

double bleu(const BleuCounts& counts) {
  if (std::ranges::all_of(counts.correct, [](std::int64_t c) { return c == 0; })) return 0;
  double logarithms = 0, smoothing = 1;
  for (std::size_t n = 0; n < kOrders; ++n) {
    if (counts.total[n] == 0) return 0;  // no text is long enough: a precision of 0
    const auto total = static_cast<double>(counts.total[n]);
    if (counts.correct[n] == 0) smoothing *= 2;
    const double precision =
        counts.correct[n] == 0 ? 1 / (smoothing * total) : static_cast<double>(counts.correct[n]) / total;
    logarithms += std::log(precision);
  }
  const auto length = static_cast<double>(counts.length),
             reference = static_cast<double>(counts.reference_length);
  const double brevity = length < reference ? std::exp(1 - reference / length) : 1;
  return 100 * brevity * std::exp(logarithms / kOrders);
}

}  // namespace bantam

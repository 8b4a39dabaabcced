#include "calibrate/metrics/porter.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace bantam {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kIrregular = {
    {{"sky", "sky"},
     {"skies", "sky"},
     {"dying", "die"},
     {"lying", "lie"},
     {"tying", "tie"},
     {"news", "news"},
     {"innings", "inning"},
     {"inning", "inning"},
     {"outings", "outing"},
     {"outing", "outing"},
     {"cannings", "canning"},
     {"canning", "canning"},
     {"howe", "howe"},
     {"proceed", "proceed"},
     {"exceed", "exceed"},
     {"succeed", "succeed"}}};

bool is_vowel(char c) {
  return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

// One 'c' or 'v' per letter; y is a vowel behind a consonant.
std::string kinds(std::string_view word) {
  std::string kinds;
  for (const char c : word) {
    const bool consonant = c == 'y' ? kinds.empty() || kinds.back() == 'v' : !is_vowel(c);
    kinds += consonant ? 'c' : 'v';
  }
  return kinds;
}

// m of the paper: how often a vowel is followed by a consonant.
int measure(std::string_view stem) {
  const std::string letters = kinds(stem);
  int count = 0;
  for (std::size_t i = 0; i + 1 < letters.size(); ++i)
    count += letters[i] == 'v' && letters[i + 1] == 'c' ? 1 : 0;
  return count;
}

bool has_vowel(std::string_view stem) {
  return kinds(stem).find('v') != std::string::npos;
}

bool ends_in_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && kinds(word).back() == 'c';
}

// *o of the paper: consonant, vowel, consonant other than w, x and y; NLTK adds words of a vowel and a
// consonant.
bool ends_in_cvc(std::string_view word) {
  const std::string letters = kinds(word);
  if (letters == "vc") return true;
  if (!letters.ends_with("cvc")) return false;
  return word.back() != 'w' && word.back() != 'x' && word.back() != 'y';
}

struct Rule {
  std::string_view suffix;
  std::string_view replacement;
};

// The first rule whose suffix fits, if what is left has a measure above `least`.
void apply(std::string& word, std::span<const Rule> rules, int least) {
  for (const auto& [suffix, replacement] : rules) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem = std::string_view(word).substr(0, word.size() - suffix.size());
    if (measure(stem) > least) word = std::string(stem).append(replacement);
    return;
  }
}

void plurals(std::string& word) {
  if (word.ends_with("ies")) {
    word.resize(word.size() - (word.size() == 4 ? 1 : 2));
  } else if (word.ends_with("sses")) {
    word.resize(word.size() - 2);
  } else if (word.ends_with("s") && !word.ends_with("ss")) {
    word.pop_back();
  }
}

void tidy_behind_ed_and_ing(std::string& word) {
  if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
    word += 'e';
  } else if (ends_in_double_consonant(word)) {
    const char last = word.back();
    if (last != 'l' && last != 's' && last != 'z') word.pop_back();
  } else if (measure(word) == 1 && ends_in_cvc(word)) {
    word += 'e';
  }
}

void ed_and_ing(std::string& word) {
  if (word.ends_with("ied")) {
    word.resize(word.size() - (word.size() == 4 ? 1 : 2));
    return;
  }
  if (word.ends_with("eed")) {
    if (measure(std::string_view(word).substr(0, word.size() - 3)) > 0) word.pop_back();
    return;
  }
  for (const std::string_view suffix : {"ed", "ing"}) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem = std::string_view(word).substr(0, word.size() - suffix.size());
    if (!has_vowel(stem)) continue;
    word.resize(stem.size());
    tidy_behind_ed_and_ing(word);
    return;
  }
}

void y_to_i(std::string& word) {
  if (!word.ends_with("y")) return;
  const std::string stem = word.substr(0, word.size() - 1);
  if (stem.size() > 1 && kinds(stem).back() == 'c') word.back() = 'i';
}

void double_suffixes(std::string& word) {
  static constexpr Rule kRules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
      {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
      {"fulli", "ful"},
  };
  while (word.ends_with("alli") && measure(std::string_view(word).substr(0, word.size() - 4)) > 0)
    word.resize(word.size() - 2);
  if (word.ends_with("logi")) {  // its l counts for the stem
    if (measure(std::string_view(word).substr(0, word.size() - 3)) > 0) word.pop_back();
    return;
  }
  apply(word, kRules, 0);
}

void single_suffixes(std::string& word) {
  static constexpr Rule kRules[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                    {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
  apply(word, kRules, 0);
}

void residues(std::string& word) {
  static constexpr Rule kRules[] = {{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},    {"ic", ""},
                                    {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
                                    {"ent", ""},  {"ion", ""},  {"ou", ""},   {"ism", ""},   {"ate", ""},
                                    {"iti", ""},  {"ous", ""},  {"ive", ""},  {"ize", ""}};
  if (word.ends_with("ion") && !word.ends_with("sion") && !word.ends_with("tion")) return;
  apply(word, kRules, 1);
}

void final_letters(std::string& word) {
  if (word.ends_with("e")) {
    const std::string stem = word.substr(0, word.size() - 1);
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_in_cvc(stem))) word = stem;
  }
  if (word.ends_with("ll") && measure(std::string_view(word).substr(0, word.size() - 1)) > 1) word.pop_back();
}

}  // namespace

std::string porter_stem(const std::string& word) {
  for (const auto& [form, stem] : kIrregular) {
    if (word == form) return std::string(stem);
  }
  if (word.size() <= 2) return word;
  std::string stem = word;
  plurals(stem);
  ed_and_ing(stem);
  y_to_i(stem);
  double_suffixes(stem);
  single_suffixes(stem);
  residues(stem);
  final_letters(stem);
  return stem;
}

}  // namespace bantam

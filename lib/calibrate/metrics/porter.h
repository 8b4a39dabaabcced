#pragma once

#include <string>

namespace bantam {

// The stem of an English word in lower case: Porter, "An algorithm for suffix stripping" (1980), with what
// NLTK's PorterStemmer changes by default (irregular words, short words in -ies and -ied, y behind consonants
// only, -alli first, -fulli, -logi, and vowel-consonant words of two letters that keep their e).
std::string porter_stem(const std::string& word);

}  // namespace bantam

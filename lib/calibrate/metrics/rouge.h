#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// ROUGE (Lin 2004) as the Python package rouge-score computes it: lower case, words of ASCII letters and
// digits (other characters part words), clipped n-grams, the longest common subsequence over the whole text
// for L.

enum class Stemming { kNone, kPorter };  // rouge-score's use_stemmer; words of up to three letters stay

std::vector<std::string> rouge_words(std::string_view text, Stemming stemming = Stemming::kNone);

// F1 of n-grams of `n` words, 0 to 1.
double rouge_n(const std::vector<std::string>& reference, const std::vector<std::string>& text,
               std::size_t n);
double rouge_l(const std::vector<std::string>& reference, const std::vector<std::string>& text);

}  // namespace bantam

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// BLEU (Papineni et al. 2002) as sacrebleu computes it by default: n-grams up to 4, tokens of mteval-v13a,
// case kept, exponential smoothing, one reference.

// Tokens: punctuation and symbols of ASCII stand alone, periods and commas unless between digits, hyphens
// behind digits.
std::vector<std::string> bleu_tokens(std::string_view text);

// What a pair of texts adds to the score of a corpus.
struct BleuCounts {
  std::array<std::int64_t, 4> correct{};
  std::array<std::int64_t, 4> total{};
  std::int64_t length = 0;
  std::int64_t reference_length = 0;

  BleuCounts& operator+=(const BleuCounts& other);
};
BleuCounts bleu_counts(std::string_view reference, std::string_view text);

// 0 to 100.
double bleu(const BleuCounts& counts);

}  // namespace bantam

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bantam {

// How the SQuAD scripts (Rajpurkar 2016, 2018) see an answer: lower case, without ASCII punctuation and
// without the words a, an, the, words apart by one blank. Lower case and word boundaries are Unicode's, by
// the Rust bridge; without it
// (-DBANTAM_TOKENIZERS=OFF) text beyond ASCII is an Error.
std::string normalize_answer(std::string_view answer);

struct AnswerScore {
  double exact = 0;  // 0 or 1
  double f1 = 0;     // of the bags of words
};

// The best over the acceptable answers. None, or only such that normalize to nothing: unanswerable, and an
// empty prediction is right (version 2 of the script; on SQuAD 1.1 the two give the same scores).
AnswerScore answer_score(std::string_view prediction, std::span<const std::string> answers);

}  // namespace bantam

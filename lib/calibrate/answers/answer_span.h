#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/tokenizer.h"

namespace bantam {

// Extractive question answering as the pipeline of transformers 4 does it; the defaults are its own.
struct AnswerOptions {
  std::int64_t max_length =
      384;  // of question and context together; the tokenizer's limit where that is less
  std::int64_t stride =
      128;  // tokens that neighbouring spans of a long context share; at most half of max_length
  std::int64_t max_answer_tokens = 15;
  bool may_be_unanswerable = false;  // handle_impossible_answer: for models trained on SQuAD 2.0
};

struct FoundAnswer {
  std::string text;  // empty: unanswerable
  ByteRange where;   // bytes of the context
  double score = 0;
};

// Question and context as the model reads them: one span, or several where the context is too long. Padding
// on the left puts the context first.
std::vector<Encoding> encode_question(const Tokenizer& tokenizer, std::string_view question,
                                      std::string_view context, const AnswerOptions& options = {});

// The logits of one span, each as long as its encoding.
struct SpanLogits {
  std::span<const float> start;
  std::span<const float> end;
};

// The best answer over all spans: the product of the probabilities of start and end, whole words, equal texts
// together.
FoundAnswer find_answer(const Tokenizer& tokenizer, std::string_view context, std::span<const Encoding> spans,
                        std::span<const SpanLogits> logits, const AnswerOptions& options = {});

}  // namespace bantam

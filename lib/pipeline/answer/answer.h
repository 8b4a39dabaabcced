#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"

namespace bantam {

// What a model is asked: a text, or a text and its pair (question and context).
struct Question {
  std::string text;
  std::optional<std::string> pair;
  std::string where;  // for messages: "texts.txt:3"
};

// Offsets count characters of the text (Unicode scalar values), as the pipelines of transformers do in
// Python.

struct LabelScore {
  std::string name;
  double score = 0;
};

struct FoundEntity {
  std::string group;
  double score = 0;
  std::string word;  // as it stands in the text
  std::int64_t start = 0;
  std::int64_t end = 0;
};

struct SpanAnswer {
  std::string text;
  double score = 0;
  std::int64_t start = 0;  // of the context
  std::int64_t end = 0;
};

struct MaskFilling {
  std::int64_t token = 0;
  std::string token_text;
  double score = 0;
  std::string sequence;
};

// What a decoder wrote.
struct Written {
  std::string prompt;  // the text that it read: of a conversation, what the template made of it
  std::string text;
  std::vector<std::int64_t> tokens;
  std::string finish_reason;  // "stop", "length", "context" or "caller"
  double prefill_speed = 0;   // tokens per second
  double decode_speed = 0;
};

using LabelScores = std::vector<LabelScore>;
using Entities = std::vector<FoundEntity>;
using Embedding = std::vector<float>;
using MaskFillings = std::vector<std::vector<MaskFilling>>;  // for each mask of the text, best first

struct Answer {
  std::variant<LabelScores, Entities, SpanAnswer, Embedding, MaskFillings, Written> value;
  std::int64_t tokens = 0;      // that the model read, over all spans of a long context
  std::int64_t cut_tokens = 0;  // that it did not read because the text is too long
};

// `answers[i]` belongs to `questions[i]`; all are of one task.

// {"text", "pair", "tokens", "cut_tokens", and what the task's pipeline of transformers gives, by its keys}.
Json answer_json(const Question& question, const Answer& answer);
// A table with a line for each label, entity, ... With several questions their texts stand in front.
std::string answers_table(std::span<const Question> questions, std::span<const Answer> answers);

}  // namespace bantam

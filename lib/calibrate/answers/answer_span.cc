#include "calibrate/answers/answer_span.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "calibrate/answers/classes.h"
#include "calibrate/unicode.h"

namespace bantam {
namespace {

// The pipeline looks at 2 top_k + 10 candidates of each span, because some fall together when they grow to
// whole words.
constexpr std::size_t kCandidates = 12;
constexpr float kMasked = -10000;

struct Candidate {
  std::size_t first = 0;
  std::size_t last = 0;
  double score = 0;
};

std::int32_t context_index(const Tokenizer& tokenizer) {
  return tokenizer.padding().side == Side::kRight ? 1 : 0;
}

// Tokens that an answer may begin or end with: those of the context, and [CLS].
std::vector<bool> allowed_tokens(const Tokenizer& tokenizer, const Encoding& span) {
  const auto cls = tokenizer.special_token_id("cls_token");
  std::vector<bool> allowed(span.ids.size());
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    const bool context = span.sequence_ids[i] == context_index(tokenizer) || (cls && span.ids[i] == *cls);
    allowed[i] = context && span.attention_mask[i] != 0;
  }
  return allowed;
}

std::vector<double> probabilities(std::span<const float> logits, const std::vector<bool>& allowed) {
  std::vector<float> masked(logits.begin(), logits.end());
  for (std::size_t i = 0; i < masked.size(); ++i) {
    if (!allowed[i]) masked[i] = kMasked;
  }
  return softmax(masked);
}

// The best spans of allowed tokens that are not too long, best first.
std::vector<Candidate> candidates(const std::vector<double>& start, const std::vector<double>& end,
                                  const std::vector<bool>& allowed, std::int64_t longest) {
  std::vector<Candidate> best;
  const auto better = [](const Candidate& a, const Candidate& b) { return a.score > b.score; };
  for (std::size_t first = 0; first < start.size(); ++first) {
    const std::size_t stop = std::min(start.size(), first + static_cast<std::size_t>(longest));
    for (std::size_t last = first; last < stop; ++last) {
      const Candidate candidate{first, last, start[first] * end[last]};
      if (best.size() == kCandidates && !better(candidate, best.back())) continue;
      best.insert(std::ranges::upper_bound(best, candidate, better), candidate);
      if (best.size() > kCandidates) best.pop_back();
    }
  }
  std::erase_if(best, [&](const Candidate& candidate) {
    return !allowed[candidate.first] || !allowed[candidate.last];
  });
  return best;
}

// The tokens of the word that `token` belongs to, or only itself where the tokenizer knows no words.
ByteRange whole_word(const Encoding& span, std::size_t token, std::int32_t sequence) {
  const std::int32_t word = span.word_ids[token];
  if (word < 0) return span.offsets[token];
  ByteRange range{std::numeric_limits<std::uint32_t>::max(), 0};
  for (std::size_t i = 0; i < span.ids.size(); ++i) {
    if (span.word_ids[i] != word || span.sequence_ids[i] != sequence) continue;
    if (range.end == 0) range.begin = span.offsets[i].begin;
    range.end = span.offsets[i].end;
  }
  return range.end == 0 ? span.offsets[token] : range;
}

}  // namespace

std::vector<Encoding> encode_question(const Tokenizer& tokenizer, std::string_view question,
                                      std::string_view context, const AnswerOptions& options) {
  EncodeOptions encode;
  encode.max_length = std::min(options.max_length, tokenizer.max_length().value_or(options.max_length));
  encode.stride = std::min(options.stride, encode.max_length / 2);
  const bool question_first = context_index(tokenizer) == 1;
  encode.truncation = question_first ? Truncation::kOnlySecond : Truncation::kOnlyFirst;
  return question_first ? tokenizer.encode_spans({question, context, true}, encode)
                        : tokenizer.encode_spans({context, question, true}, encode);
}

FoundAnswer find_answer(const Tokenizer& tokenizer, std::string_view context, std::span<const Encoding> spans,
                        std::span<const SpanLogits> logits, const AnswerOptions& options) {
  BANTAM_ASSERT(spans.size() == logits.size());
  std::vector<FoundAnswer> answers;
  std::vector<std::string> keys;
  double least_null = 1e6;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    const Encoding& span = spans[s];
    if (logits[s].start.size() != span.ids.size() || logits[s].end.size() != span.ids.size()) {
      fail("{} start and {} end logits for {} tokens", logits[s].start.size(), logits[s].end.size(),
           span.ids.size());
    }
    const std::vector<bool> allowed = allowed_tokens(tokenizer, span);
    std::vector<double> start = probabilities(logits[s].start, allowed);
    std::vector<double> end = probabilities(logits[s].end, allowed);
    if (options.may_be_unanswerable) least_null = std::min(least_null, start[0] * end[0]);
    start[0] = end[0] = 0;  // [CLS] is no answer
    for (const Candidate& candidate : candidates(start, end, allowed, options.max_answer_tokens)) {
      const ByteRange where{whole_word(span, candidate.first, context_index(tokenizer)).begin,
                            whole_word(span, candidate.last, context_index(tokenizer)).end};
      if (where.end > context.size() || where.begin > where.end) continue;
      std::string text(context.substr(where.begin, where.end - where.begin));
      std::string key = lowercase(text);
      const auto known = std::ranges::find(keys, key);
      if (known != keys.end()) {
        answers[static_cast<std::size_t>(known - keys.begin())].score += candidate.score;
        continue;
      }
      keys.push_back(std::move(key));
      answers.push_back({std::move(text), where, candidate.score});
    }
  }
  if (options.may_be_unanswerable) answers.push_back({"", {}, least_null});
  if (answers.empty()) return {};
  return *std::ranges::max_element(answers, {}, &FoundAnswer::score);
}

}  // namespace bantam

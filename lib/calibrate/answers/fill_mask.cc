#include "calibrate/answers/fill_mask.h"

#include <algorithm>

#include "base/error.h"
#include "calibrate/answers/classes.h"

namespace bantam {

std::vector<std::vector<Filling>> fill_masks(const Tokenizer& tokenizer, const Encoding& encoding,
                                             std::span<const float> logits, std::int64_t top) {
  const auto mask = tokenizer.special_token_id("mask_token");
  if (!mask) fail("the tokenizer has no mask token (mask_token in tokenizer_config.json)");
  if (encoding.ids.empty() || logits.size() % encoding.ids.size() != 0) {
    fail("{} logits for {} tokens", logits.size(), encoding.ids.size());
  }
  const std::size_t vocabulary = logits.size() / encoding.ids.size();
  const auto masks = std::ranges::count(encoding.ids, *mask);
  if (masks == 0)
    fail("there is no {} in the text to fill", tokenizer.id_to_token(*mask).value_or("mask token"));
  std::vector<std::vector<Filling>> all;
  for (std::size_t at = 0; at < encoding.ids.size(); ++at) {
    if (encoding.ids[at] != *mask) continue;
    const std::vector<ClassScore> scores =
        class_scores(logits.subspan(at * vocabulary, vocabulary), ClassFunction::kSoftmax);
    std::vector<Filling>& fillings = all.emplace_back();
    for (std::size_t i = 0; i < std::min(scores.size(), static_cast<std::size_t>(top)); ++i) {
      std::vector<std::int64_t> ids;
      for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
        if (token == at) {
          ids.push_back(scores[i].id);
        } else if (encoding.attention_mask[token] != 0) {
          ids.push_back(encoding.ids[token]);
        }
      }
      // With several masks the others have to stay visible.
      const std::vector<std::int64_t> alone = {scores[i].id};
      fillings.push_back(
          {scores[i].id, scores[i].score, tokenizer.decode(alone, false), tokenizer.decode(ids, masks == 1)});
    }
  }
  return all;
}

}  // namespace bantam

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace bantam {

struct SamplingOptions {
  double temperature = 0;            // 0: the likeliest token, always
  std::int64_t top_k = 0;            // 0: all
  double top_p = 1;                  // in (0, 1]
  double repetition_penalty = 1;     // above 0; 1: none
  std::int64_t no_repeat_ngram = 0;  // tokens in a row that stand in a text once only; 0: no rule
  std::uint64_t seed = 0;
};

// Errors name the value and its range.
void check(const SamplingOptions& options);

// Chooses the next token from logits, by the rules of transformers and in their order:
//  - repetition penalty (Keskar et al. 2019, CTRL): logits of tokens that the context holds are divided by it
//  where they
//    are positive and multiplied by it where they are negative;
//  - no-repeat n-gram (Paulus et al. 2017): no token that would end n tokens in a row that the context holds
//  already;
//  - temperature 0: the largest logit, of equal ones the first;
//  - otherwise logits are divided by the temperature; top-k keeps those not below the k-th largest; top-p
//  (Holtzman et
//    al. 2020) keeps the likeliest tokens, down to and including the one at which their share reaches p, of
//    equally likely ones those of smaller ids first;
//  - what is left is drawn by one uniform number of splitmix64, through the cumulative distribution in the
//  order of
//    ids, in double. The same seed and logits give the same tokens; they are not PyTorch's.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);

  // `context`: prompt and what was generated so far. An error where a logit is NaN, none is finite
  // or the n-gram rule leaves none.
  std::int64_t pick(std::span<const float> logits, std::span<const std::int64_t> context);

 private:
  void penalize(std::span<const std::int64_t> context);
  void leave_out_ngrams(std::span<const std::int64_t> context);
  void keep_top_k();
  void keep_top_p();
  std::int64_t draw();

  SamplingOptions options_;
  Random random_;
  std::vector<double>
      weights_;  // logits at first, then unnormalized probabilities; what is left out has none
  std::vector<std::int64_t> order_;
  std::vector<bool> seen_;
};

}  // namespace bantam

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "calibrate/heads/masked_heads.h"

namespace bantam {

// One head that leaves, and what the answers lost when it was the last one to be switched off.
struct HeadStep {
  std::int64_t layer = 0;
  std::int64_t head = 0;
  double loss = 0;
};

struct HeadChoiceOptions {
  double fraction = 0;   // of all heads, more than 0 and less than 1; rounded to the nearest number of heads
  bool uniform = false;  // every layer loses the same number: decoders, whose caches have one shape
  int measurements =
      4;  // the losses of single heads are measured so often, each time with those off that left before
};

// For each of `candidates` (sets of heads that are off) what the answers lose.
using HeadLosses = std::function<std::vector<double>(const std::vector<HeadSet>& candidates)>;

// The heads whose absence changes the model's answers least: gradient-free ablation of single heads (Michel
// et al. 2019, arXiv:1905.10650, section 3.2), repeated with what has left already, because heads stand in
// for each other. One head of a layer always stays. Errors where the fraction leaves nothing to remove,
// naming the smallest that does, or asks for more than there is.
std::vector<HeadStep> choose_heads(const std::vector<AttentionOutput>& attentions,
                                   const HeadChoiceOptions& options, const HeadLosses& losses);

}  // namespace bantam

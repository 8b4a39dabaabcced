#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/recipe.h"
#include "quantize/quantize.h"

namespace bantam {

struct OutputLossOptions {
  EvaluationTaskOptions data;
  std::int64_t tokens =
      0;  // outputs are compared for so many tokens at most (and one example at least); 0: see below
  bool scored = true;  // of() and retention() will be asked
  bool all = false;    // keep all examples for divergence(variant), as far as 256 MB of outputs hold them
};

// Runs variants of a model, as they would be written, over examples, and says how much they lose against the
// float model: what decisions before writing are made by.
class OutputLoss {
 public:
  OutputLoss(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
             Calibrated calibrated, const OutputLossOptions& options);
  ~OutputLoss();

  // Mean KL divergence from the reference, or mean 1 - cosine where outputs are no distributions, over the
  // first `examples` (at most those that are kept for it: 64, or 300 where there is nothing to score by, or
  // what options.tokens allows).
  double divergence(const Variant& variant, std::size_t examples) const;
  // Whether divergence() is KL.
  bool is_kl() const;
  // How many examples are kept for it without options.all.
  std::size_t quick() const;
  // Over all that are kept.
  double divergence(const Variant& variant) const;
  // Loss of score; of perplexity, the share by which it grows; the divergence where there is nothing to score
  // by.
  double of(const Variant& variant) const;
  // Score / reference score; of perplexity, the inverse. Error where there is nothing to score by.
  double retention(const Variant& variant) const;
  // What of() speaks of: "accuracy", "KL".
  std::string what() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam

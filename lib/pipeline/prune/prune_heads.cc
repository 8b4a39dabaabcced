#include "pipeline/prune/prune_heads.h"

#include <algorithm>

#include "base/error.h"
#include "calibrate/heads/divergence.h"
#include "calibrate/heads/refit_heads.h"
#include "pipeline/bundle_model.h"

namespace bantam {
namespace {

Tensors inputs_of(const Session& session, const Encoding& text, const std::vector<AttentionOutput>& attentions,
                  const HeadSet& off) {
  std::vector<IoSpec> specs;
  for (const IoSpec& spec : session.inputs()) {
    if (!spec.name.starts_with("head_mask.")) specs.push_back(spec);
  }
  Tensors inputs = token_inputs(specs, {&text, 1});
  add_head_masks(attentions, off, inputs);
  return inputs;
}

class Pruner {
 public:
  Pruner(const Graph& model, std::span<const Encoding> texts, const PruneOptions& options, Progress& progress)
      : model_(model), texts_(texts), options_(options), progress_(progress) {}

  PrunedModel run() {
    PrunedModel pruned;
    pruned.pruning = options_.list;
    if (options_.fraction) {
      pruned.steps = choose();
      for (const HeadStep& step : pruned.steps) pruned.pruning.removed[step.layer].push_back(step.head);
      for (auto& layer : pruned.pruning.removed) std::ranges::sort(layer.second);
    }
    if (options_.refit && !texts_.empty()) pruned.pruning.refits = fit(pruned.pruning);
    return pruned;
  }

 private:
  std::vector<HeadStep> choose() {
    if (texts_.empty()) fail_usage("pruning by a fraction needs texts to judge heads by");
    const Session session(with_head_masks(model_), {.threads = options_.threads});
    const HeadChoiceOptions choice{.fraction = *options_.fraction, .uniform = options_.uniform};
    return choose_heads(model_.attentions, choice, [&](const std::vector<HeadSet>& candidates) {
      // Every text against all candidates in turn, so that only one original answer is held.
      progress_.begin("judge heads", std::ssize(texts_) * std::ssize(candidates), ProgressUnit::kItems);
      std::vector<double> losses(candidates.size());
      for (const Encoding& text : texts_) {
        const Tensors original = session.run(inputs_of(session, text, model_.attentions, {}));
        for (std::size_t i = 0; i < candidates.size(); ++i) {
          check_cancelled();
          losses[i] += output_divergence(original, session.run(inputs_of(session, text, model_.attentions, candidates[i])));
          progress_.advance(1);
        }
      }
      for (double& loss : losses) loss /= static_cast<double>(texts_.size());
      return losses;
    });
  }

  std::map<std::int64_t, std::shared_ptr<const HeadRefit>> fit(const HeadPruning& pruning) {
    HeadActivations activations(model_, pruning.removed);
    const Session session(model_, {.threads = options_.threads, .fuse = false});
    progress_.begin("fit heads", std::ssize(texts_), ProgressUnit::kItems);
    for (const Encoding& text : texts_) {
      check_cancelled();
      session.run(token_inputs(session.inputs(), {&text, 1}), &activations);
      progress_.advance(1);
    }
    return activations.refits();
  }

  const Graph& model_;
  std::span<const Encoding> texts_;
  const PruneOptions& options_;
  Progress& progress_;
};

}  // namespace

PrunedModel prune_heads(const Graph& model, std::span<const Encoding> texts, const PruneOptions& options,
                        Progress& progress) {
  return Pruner(model, texts, options, progress).run();
}

}  // namespace bantam

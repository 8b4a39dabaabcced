#include "pipeline/prune/prune_heads.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/parallel.h"
#include "calibrate/heads/choose_heads.h"
#include "calibrate/heads/divergence.h"
#include "calibrate/heads/refit_heads.h"
#include "calibrate/tokenizer.h"
#include "convert/head_pruning.h"
#include "pipeline/bundle_model.h"
#include "pipeline/calibrate/texts.h"

namespace bantam {
namespace {

constexpr std::size_t kJudged = 128;  // texts by which heads are chosen; all are used to fit

struct PruneOptions {
  std::optional<double> fraction;  // choose so many heads; else `list` says which leave
  HeadPruning list;
  bool uniform = false;  // see HeadChoiceOptions
  int threads = 1;
};

struct PrunedModel {
  HeadPruning pruning;
  std::vector<HeadStep> steps;  // empty where a list was given
};

// All but the masks of heads.
Tensors inputs_of(const Session& session, const Encoding& text) {
  std::vector<IoSpec> specs;
  for (const IoSpec& spec : session.inputs()) {
    if (!spec.name.starts_with("head_mask.")) specs.push_back(spec);
  }
  return token_inputs(specs, {&text, 1});
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
    if (!texts_.empty()) pruned.pruning.refits = fit(pruned.pruning);
    return pruned;
  }

 private:
  std::vector<HeadStep> choose() {
    if (texts_.empty()) fail_usage("pruning by a fraction needs texts to judge heads by");
    const Session session(with_head_masks(model_), {.threads = options_.threads});
    const HeadChoiceOptions choice{.fraction = *options_.fraction, .uniform = options_.uniform};
    return choose_heads(model_.attentions, choice, [&](const std::vector<HeadSet>& candidates) {
      // Every text against all candidates in turn, so that only one original answer is held.
      const std::span<const Encoding> judged = texts_.first(std::min(texts_.size(), kJudged));
      progress_.begin("judge heads", std::ssize(judged) * std::ssize(candidates), ProgressUnit::kItems);
      std::vector<double> losses(candidates.size());
      for (const Encoding& text : judged) {
        const Tensors inputs = inputs_of(session, text);
        const auto answer = [&](const HeadSet& off) {
          Tensors masked = inputs;
          add_head_masks(model_.attentions, off, masked);
          return session.run(masked);
        };
        const Tensors original = answer({});
        for (std::size_t i = 0; i < candidates.size(); ++i) {
          check_cancelled();
          losses[i] += output_divergence(original, answer(candidates[i]));
          progress_.advance(1);
        }
      }
      for (double& loss : losses) loss /= static_cast<double>(judged.size());
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

// A choice as good as any, for a plan that is not carried out: head 0 of every layer, then head 1, ...
HeadPruning evenly(const Graph& model, double fraction, bool uniform) {
  HeadPruning pruning;
  const auto by_number = [](const std::vector<HeadSet>& candidates) {
    std::vector<double> losses;
    for (const HeadSet& off : candidates) {
      double sum = 0;
      for (const auto& [layer, head] : off) sum += static_cast<double>(head);
      losses.push_back(sum);
    }
    return losses;
  };
  for (const HeadStep& step :
       choose_heads(model.attentions, {.fraction = fraction, .uniform = uniform}, by_number)) {
    pruning.removed[step.layer].push_back(step.head);
  }
  for (auto& layer : pruning.removed) std::ranges::sort(layer.second);
  return pruning;
}

std::string describe(const Recipe& recipe, const std::vector<HeadStep>& steps, std::int64_t texts, bool run) {
  std::string text =
      fmt::format("{} heads left out: {}", recipe.prune_list.count(), head_list(recipe.prune_list));
  if (!run && recipe.prune_fraction) return text + "; which ones is measured when the plan is carried out";
  if (!steps.empty()) {
    text += fmt::format("; without them, before fitting, answers diverge by {:.3g} ({} texts)",
                        steps.back().loss, std::min(texts, static_cast<std::int64_t>(kJudged)));
  }
  return text + (texts > 0 ? "; output projections fitted to what is left"
                           : "; nothing fitted: --calibrate FILE does");
}

}  // namespace

ModelGraph leave_heads_out(Recipe& recipe, Checkpoint& checkpoint, ModelGraph model, bool run,
                           Progress& progress) {
  PruneOptions options{.fraction = recipe.prune_fraction,
                       .list = recipe.prune_list,
                       .uniform = model.task == Task::kTextGeneration,
                       .threads = recipe.threads};
  std::vector<Encoding> texts;
  PrunedModel pruned;
  if (run) {
    if (recipe.calibrate) {
      const CalibrationTexts all =
          load_calibration_texts(checkpoint, model, *recipe.calibrate, recipe.threads, progress);
      for (std::int64_t i = 0; i < all.size(); ++i) texts.push_back(all.encoding(i));
    }
    pruned = with_context(checkpoint.directory.string(),
                          [&] { return Pruner(model.graph, texts, options, progress).run(); });
  } else {
    pruned.pruning =
        options.fraction ? evenly(model.graph, *options.fraction, options.uniform) : options.list;
  }
  recipe.prune_list = pruned.pruning;
  checkpoint.pruning = std::move(pruned.pruning);
  ModelGraph result = build_model(checkpoint, recipe.task);
  result.notes.push_back(describe(recipe, pruned.steps, std::ssize(texts), run));
  return result;
}

void state_pruned_heads(const Checkpoint& checkpoint, const ModelGraph& model, Json& config) {
  if (!checkpoint.pruning || checkpoint.pruning->removed.empty()) return;
  if (model.task != Task::kTextGeneration) {
    Json& removed = config["pruned_heads"] = Json::object();
    for (const auto& [layer, heads] : checkpoint.pruning->removed) removed[std::to_string(layer)] = heads;
    return;
  }
  const AttentionOutput& attention = model.graph.attentions.front();
  const auto lost = std::ssize(checkpoint.pruning->removed.begin()->second);
  const std::int64_t groups = attention.heads + lost;
  for (const char* key : {"num_attention_heads", "n_head", "num_heads"}) {
    if (!config.contains(key) || !config[key].is_number_integer()) continue;
    const std::int64_t heads = config[key].get<std::int64_t>();
    config["head_dim"] = attention.size / (heads / groups);
    config[key] = heads / groups * attention.heads;
  }
  if (config.contains("num_key_value_heads")) config["num_key_value_heads"] = attention.heads;
}

}  // namespace bantam

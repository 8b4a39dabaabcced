#include "pipeline/calibrate/mixed_precision.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "base/units.h"
#include "pipeline/calibrate/output_loss.h"
#include "pipeline/calibrate/weight_noise.h"
#include "quantize/budget.h"
#include "quantize/policy.h"

namespace bantam {
namespace {

constexpr std::int64_t kTokens = 4096;  // that sensitivity is measured on
constexpr int kFewBits = 4, kManyBits = 8;

class BudgetSearch {
 public:
  BudgetSearch(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
               const Measurements& measured, Variant& variant, Progress& progress)
      : recipe_(recipe),
        budget_(*recipe.budget),
        model_(model),
        measured_(measured),
        variant_(variant),
        progress_(progress),
        factors_(std::make_shared<FactorCache>(recipe.stats_memory)) {
    const std::vector<WeightUses> uses = find_uses(model.graph);
    std::vector<std::size_t> all(model.graph.weights.size());
    for (std::size_t w = 0; w < all.size(); ++w) all[w] = w;
    const std::vector<Decision> few = decide(model.graph, uses, with_bits(all, kFewBits));
    const std::vector<Decision> many = decide(model.graph, uses, with_bits(all, kManyBits));
    for (std::size_t w = 0; w < all.size(); ++w) {
      const bool blocks = few[w].scheme == Scheme::kBlockwise && many[w].scheme == Scheme::kBlockwise;
      if (blocks && few[w].bits == kFewBits && many[w].bits == kManyBits) weights_.push_back(w);
    }
    if (weights_.empty()) fail("{}: no weight could have four bits or eight", name(variant.dtype));
    if (!budget_.data) return;
    // A limit is held on all examples, as a gate will judge it.
    const OutputLossOptions options{*budget_.data, kTokens, budget_.min_retention.has_value(),
                                    budget_.max_kl.has_value()};
    loss_ = std::make_unique<OutputLoss>(recipe, checkpoint, model, Calibrated{measured.statistics, factors_},
                                         options);
  }

  FittedBudget run() {
    measure_costs();
    frontier_ = storage_frontier(options_);
    base_bytes_ = bytes_of(frontier_.front()) - frontier_.front().bytes;
    const FrontierPoint chosen = budget_.max_bytes ? within_size() : within_loss();
    FittedBudget fitted{seen(chosen), {}};
    fitted.notes = {summary(chosen, fitted.frontier.chosen), frontier_note()};
    variant_ = at(chosen);
    return fitted;
  }

 private:
  const Weight& weight(std::size_t index) const { return model_.graph.weights[weights_[index]]; }

  // The variant with rules for these weights before its own.
  Variant with_rules(std::vector<Rule> rules) const {
    Variant variant = variant_;
    rules.insert(rules.end(), variant.rules.begin(), variant.rules.end());
    variant.rules = std::move(rules);
    return variant;
  }
  Variant with_bits(const std::vector<std::size_t>& weights, int bits) const {
    std::vector<Rule> rules;
    for (const std::size_t w : weights)
      rules.push_back({.role = {}, .match = model_.graph.weights[w].name, .bits = bits});
    return with_rules(std::move(rules));
  }
  Variant at(const FrontierPoint& point) const {
    std::vector<Rule> rules;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      rules.push_back(
          {.role = {}, .match = weight(i).name, .bits = point.chosen[i] == 0 ? kFewBits : kManyBits});
    }
    return with_rules(std::move(rules));
  }
  // Weights of one role in four bits, the other adjustable ones in float.
  Variant alone(Role role) const {
    std::vector<Rule> rules;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      const bool in = weight(i).role == role;
      rules.push_back({.role = {}, .match = weight(i).name, .keep = !in, .bits = in ? kFewBits : 0});
    }
    return with_rules(std::move(rules));
  }

  PlannedVariant plan(const Variant& variant) const {
    std::vector<std::string> ignored;
    return plan_variant(model_.graph, variant, recipe_, measured_, factors_, ignored);
  }

  // Noise and bytes of every weight in four and in eight bits; then what the noise does, role by role.
  void measure_costs() {
    const PlannedVariant few = plan(with_bits(weights_, kFewBits)),
                         many = plan(with_bits(weights_, kManyBits));
    options_.resize(weights_.size());
    progress_.begin("weigh bits", std::ssize(weights_), ProgressUnit::kItems);
    parallel_for(std::ssize(weights_), recipe_.threads, [&](std::int64_t item, int) {
      const auto i = static_cast<std::size_t>(item);
      InputStatisticsPtr input;
      if (measured_.statistics) input = measured_.statistics->input_of(weight(i).name);
      for (const PlannedVariant* planned : {&few, &many}) {
        const Weight& encoded = planned->graph.weights[weights_[i]];
        std::int64_t bytes = 0;
        for (const PartPlace& place : planned->layout.places[weights_[i]]) bytes += place.bytes;
        options_[i].push_back({bytes, with_context(encoded.name, [&] {
                                 return weight_noise(
                                     encoded, input ? input->second_moments() : std::span<const float>());
                               })});
      }
      progress_.advance(1);
    });
    if (!loss_) return;
    std::map<Role, double> noise;
    for (std::size_t i = 0; i < weights_.size(); ++i) noise[weight(i).role] += options_[i][0].cost;
    progress_.begin("weigh roles", std::ssize(noise), ProgressUnit::kItems);
    for (const auto& [role, sum] : noise) {
      const double divergence = std::max(loss_->divergence(alone(role), loss_->quick()), 0.0);
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        if (weight(i).role != role) continue;
        for (StorageOption& option : options_[i]) option.cost *= sum > 0 ? divergence / sum : 0;
      }
      progress_.advance(1);
    }
  }

  std::int64_t bytes_of(const FrontierPoint& point) const { return payload_bytes(plan(at(point))); }
  std::int64_t about(const FrontierPoint& point) const { return base_bytes_ + point.bytes; }

  // The best choice whose files, exactly laid out, fit: what lies between tensors is only known then.
  FrontierPoint within_size() const {
    const std::int64_t limit = *budget_.max_bytes;
    std::int64_t target = limit - base_bytes_;
    for (int tries = 0; tries < 20; ++tries) {
      std::optional<FrontierPoint> point = best_within(options_, target);
      if (!point) break;
      const std::int64_t over = bytes_of(*point) - limit;
      if (over <= 0) return *point;
      target -= over;
    }
    const std::int64_t nearest = bytes_of(frontier_.front());
    fail(
        "{}: nothing fits {} bytes: the nearest takes {} ({}), all weights in four bits; --block-size {} takes less",
        name(variant_.dtype), limit, nearest, format_bytes(nearest), variant_.block_size < 128 ? 128 : 256);
  }

  // What of the limits a choice misses, and by what; empty: it holds them.
  std::string missed(const FrontierPoint& point) {
    const Variant variant = at(point);
    if (budget_.max_kl) {
      const double kl = loss_->divergence(variant);
      tried_.push_back({payload_bytes(plan(variant)), point.cost, kl});
      if (!(kl <= *budget_.max_kl))
        return fmt::format("--max-kl {:g}: the nearest is {:.4g}", *budget_.max_kl, kl);
    }
    if (budget_.min_retention) {
      const double retention = loss_->retention(variant);
      if (!(retention >= *budget_.min_retention)) {
        return fmt::format("--min-retention {:g}: the nearest is {:.4g}", *budget_.min_retention, retention);
      }
    }
    return {};
  }
  bool holds(const FrontierPoint& point) { return missed(point).empty(); }

  // The smallest choice that, measured, holds the limits, as far as losses fall with bytes: bisection over
  // the frontier, beginning with what the costs promise, then between its points.
  FrontierPoint within_loss() {
    progress_.begin("measure choices", 0, ProgressUnit::kItems);
    if (const std::string least = missed(frontier_.back()); !least.empty()) {
      fail("{}: nothing holds {}, all weights in eight bits ({})", name(variant_.dtype), least,
           format_bytes(about(frontier_.back())));
    }
    if (holds(frontier_.front())) return frontier_.front();
    std::size_t bad = 0, good = frontier_.size() - 1, next = good / 2;
    if (budget_.max_kl) {
      const FrontierPoint* promised = within_cost(frontier_, *budget_.max_kl);
      if (promised != nullptr) next = static_cast<std::size_t>(promised - frontier_.data());
    }
    while (good - bad > 1) {
      next = std::clamp(next, bad + 1, good - 1);
      (holds(frontier_[next]) ? good : bad) = next;
      next = (bad + good) / 2;
    }
    FrontierPoint best = frontier_[good];
    std::int64_t low = frontier_[bad].bytes;
    while (best.bytes - low > about(best) / 100) {
      const std::optional<FrontierPoint> between = best_within(options_, (low + best.bytes) / 2);
      if (!between || between->bytes <= low) break;
      if (holds(*between)) {
        best = *between;
      } else {
        low = (low + best.bytes) / 2;
      }
    }
    return best;
  }

  std::string unit() const { return !loss_ ? "noise" : loss_->is_kl() ? "KL" : "divergence"; }

  // Measured on the way to the choice, or now.
  double measured_loss(const BudgetFrontier::Point& told, const FrontierPoint& chosen) const {
    const auto tried = std::ranges::find_if(tried_, [&](const BudgetFrontier::Point& point) {
      return point.bytes == told.bytes && point.expected == told.expected;
    });
    return tried != tried_.end() ? tried->measured.value() : loss_->divergence(at(chosen));
  }

  BudgetFrontier seen(const FrontierPoint& chosen) const {
    constexpr std::size_t kPoints = 64;  // that are told of
    BudgetFrontier frontier{
        std::string(name(variant_.dtype)), unit(), {}, tried_, {bytes_of(chosen), chosen.cost, {}}};
    if (loss_) frontier.chosen.measured = measured_loss(frontier.chosen, chosen);
    for (const std::size_t i : evenly_spaced(frontier_.size(), kPoints)) {
      frontier.points.push_back({bytes_of(frontier_[i]), frontier_[i].cost, {}});
    }
    std::ranges::sort(frontier.tried, {}, &BudgetFrontier::Point::bytes);
    return frontier;
  }

  std::string summary(const FrontierPoint& point, const BudgetFrontier::Point& chosen) const {
    const auto many = std::ranges::count_if(point.chosen, [](std::size_t option) { return option != 0; });
    std::string text =
        fmt::format("{}: {} of {} weights in eight bits, {} bytes, expected {} {:.4g}", name(variant_.dtype),
                    many, weights_.size(), chosen.bytes, unit(), chosen.expected);
    if (chosen.measured) text += fmt::format(", measured {:.4g}", *chosen.measured);
    return text;
  }

  // Some of its points, evenly spaced.
  std::string frontier_note() const {
    constexpr std::size_t kShown = 12;
    std::string text = fmt::format("{}: frontier (bytes, expected): ", name(variant_.dtype));
    for (const std::size_t i : evenly_spaced(frontier_.size(), kShown)) {
      text += fmt::format("{}{} {:.4g}", i == 0 ? "" : "; ", about(frontier_[i]), frontier_[i].cost);
    }
    return text;
  }

  const Recipe& recipe_;
  const Budget& budget_;
  const ModelGraph& model_;
  const Measurements& measured_;
  Variant& variant_;
  Progress& progress_;
  FactorCachePtr factors_;
  std::unique_ptr<OutputLoss> loss_;
  std::vector<std::size_t> weights_;                 // indices of the adjustable ones
  std::vector<std::vector<StorageOption>> options_;  // of each of them: four bits, eight bits
  std::vector<FrontierPoint> frontier_;
  std::int64_t base_bytes_ = 0;
  std::vector<BudgetFrontier::Point> tried_;
};

}  // namespace

FittedBudget fit_budget(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                        const Measurements& measured, Variant& variant, Progress& progress) {
  BANTAM_ASSERT(recipe.budget);
  return BudgetSearch(recipe, checkpoint, model, measured, variant, progress).run();
}

}  // namespace bantam

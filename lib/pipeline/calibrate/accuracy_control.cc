#include "pipeline/calibrate/accuracy_control.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "pipeline/calibrate/output_loss.h"
#include "quantize/policy.h"

namespace bantam {
namespace {

constexpr std::size_t kRanked = 64;  // examples that rank linears

class Control {
 public:
  Control(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
          const Measurements& measured, Variant& variant, Progress& progress)
      : recipe_(recipe),
        model_(model),
        ranges_(ranges_of(measured, variant)),
        variant_(variant),
        progress_(progress),
        loss_(recipe, checkpoint, model,
              {measured.statistics, std::make_shared<FactorCache>(recipe.stats_memory), ranges_},
              {recipe.goal->data}) {}

  std::vector<std::string> run() {
    std::vector<std::string> back;
    double loss = loss_.of(variant_);
    if (loss <= recipe_.goal->max_drop) return {note(back, loss)};
    const std::vector<std::string> ranking = rank();
    for (const std::string& worst : ranking) {
      variant_.rules.push_back({.role = {}, .match = worst, .keep = true});
      back.push_back(worst);
      loss = loss_.of(variant_);
      if (loss <= recipe_.goal->max_drop) return {note(back, loss)};
    }
    fail("{}: loses {:.4g} with every linear in float, more than --max-drop {:g}", name(variant_.dtype), loss,
         recipe_.goal->max_drop);
  }

 private:
  // The static linears, the one that alone diverges most first.
  std::vector<std::string> rank() const {
    std::vector<std::string> linears;
    const std::vector<Decision> decisions = decide(model_.graph, find_uses(model_.graph), variant_);
    for (std::size_t i = 0; i < decisions.size(); ++i) {
      const std::string& name = model_.graph.weights[i].name;
      if (decisions[i].scheme == Scheme::kStaticInt8 && ranges_.contains(name)) linears.push_back(name);
    }
    progress_.begin("rank layers", std::ssize(linears), ProgressUnit::kItems);
    std::vector<std::pair<double, std::string>> ranked;
    for (const std::string& alone : linears) {
      Variant variant = variant_;
      for (const std::string& other : linears) {
        if (other != alone) variant.rules.push_back({.role = {}, .match = other, .keep = true});
      }
      ranked.emplace_back(-loss_.divergence(variant, kRanked), alone);
      progress_.advance(1);
    }
    std::ranges::stable_sort(ranked, {}, &std::pair<double, std::string>::first);
    std::vector<std::string> names;
    for (auto& [order, linear] : ranked) names.push_back(std::move(linear));
    return names;
  }

  std::string note(const std::vector<std::string>& back, double loss) const {
    const std::string what = loss_.what();
    if (back.empty())
      return fmt::format("{}: static INT8 loses {:.4g} of {}; no linear goes back to float",
                         name(variant_.dtype), loss, what);
    std::string list;
    for (const std::string& linear : back) list += (list.empty() ? "" : ", ") + linear;
    return fmt::format("{}: loses {:.4g} of {} with {} linears back in float: {}", name(variant_.dtype), loss,
                       what, back.size(), list);
  }

  const Recipe& recipe_;
  const ModelGraph& model_;
  const ActivationRanges& ranges_;
  Variant& variant_;
  Progress& progress_;
  OutputLoss loss_;
};

}  // namespace

std::vector<std::string> control_accuracy(const Recipe& recipe, const Checkpoint& checkpoint,
                                          const ModelGraph& model, const Measurements& measured,
                                          Variant& variant, Progress& progress) {
  BANTAM_ASSERT(recipe.goal && variant.static_int8);
  return Control(recipe, checkpoint, model, measured, variant, progress).run();
}

}  // namespace bantam

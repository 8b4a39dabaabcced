#include <fmt/format.h>

#include "base/error.h"
#include "quantize/policy.h"

namespace bantam {
namespace {

// What calibration found of a linear's input, if that is enough for `method`.
InputStatisticsPtr known_input(const Weight& weight, Method method, const Statistics* statistics) {
  if (statistics == nullptr) return nullptr;
  InputStatisticsPtr input = statistics->input_of(weight.name);
  if (input == nullptr || (info(method).needs == MethodNeeds::kHessian && !input->has_hessian()))
    return nullptr;
  const std::int64_t width = weight.source->spec().width();
  if (input->width() != width) {
    fail(
        "{}: its statistics are of inputs of {} elements where {} were expected; calibrate this checkpoint again",
        weight.name, input->width(), width);
  }
  return input;
}

}  // namespace

void choose_methods(const Graph& graph, const std::vector<WeightUses>& uses, const Variant& variant,
                    const Statistics* statistics, std::vector<Decision>& decisions,
                    std::vector<std::string>& notes) {
  const Method wanted = variant.method.value_or(default_method(statistics != nullptr));
  const MethodNeeds needs = info(wanted).needs;
  if (needs != MethodNeeds::kNothing && statistics == nullptr) {
    fail_usage("method {} needs statistics of the model's activations (--stats or --calibrate)",
               name(wanted));
  }
  std::string first;
  std::int64_t without = 0;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    Decision& decision = decisions[i];
    if (decision.scheme != Scheme::kBlockwise) continue;
    const bool embedding = !uses[i].gathers.empty();
    if (needs == MethodNeeds::kNothing) {
      // What makes a linear's outputs forgiving does not make a looked-up row so.
      decision.method = embedding && wanted == Method::kHqq ? Method::kSearch : wanted;
      continue;
    }
    // Eight bits lose next to nothing however they are chosen.
    if (embedding || (decision.bits == 8 && !variant.method)) continue;
    decision.input = known_input(graph.weights[i], wanted, statistics);
    if (decision.input != nullptr) {
      decision.method = wanted;
    } else if (without++ == 0) {
      first = graph.weights[i].name;
    }
  }
  if (without > 0) {
    notes.push_back(fmt::format(
        "{}: {} of the blockwise weights, {} the first, have no statistics that it needs: searched",
        name(wanted), without, first));
  }
}

}  // namespace bantam

#include "pipeline/target.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/builder.h"
#include "graph/lower.h"

namespace bantam {
namespace {

Operators operators_of(const Recipe& recipe) {
  if (recipe.ops == OpsStyle::kStandard) return Operators::kStandard;
  return recipe.target == Target::kTransformersJs3 ? Operators::kWeb122 : Operators::kFused;
}

// Index into Graph::inputs; their number when there is no such input.
std::size_t find_input(const Graph& graph, std::string_view name) {
  const auto found =
      std::ranges::find_if(graph.inputs, [&](ValueId id) { return graph.value(id).name == name; });
  return static_cast<std::size_t>(found - graph.inputs.begin());
}

}  // namespace

void fit_to_target(Graph& graph, const Recipe& recipe) {
  lower_operators(graph, operators_of(recipe));
  if (recipe.target != Target::kTransformersJs3) return;
  const std::size_t keep = find_input(graph, "num_logits_to_keep");
  if (keep == graph.inputs.size()) return;
  const std::int64_t all = 0;
  graph.constants.push_back(
      {graph.inputs[keep], TensorData{DType::kI64, {}, bytes_of(std::span(&all, 1)), {}}});
  graph.inputs.erase(graph.inputs.begin() + static_cast<std::ptrdiff_t>(keep));
  graph.check();
}

Variant fit_to_target(Variant variant, const Recipe& recipe) {
  // Lookups in one node are what the lowering writes in the fewest. INT8 dtypes have portable ones already,
  // and a decoder's in its head's codes.
  const bool lowered = operators_of(recipe) != Operators::kFused;
  if (lowered && has_four_bits(variant.dtype) && !variant.fused_embeddings) variant.fused_embeddings = true;
  return variant;
}

void fit_to_target(Json& config, const Graph& graph, const Recipe& recipe) {
  if (recipe.target != Target::kTransformersJs3) return;
  const std::size_t cache = find_input(graph, "past_key_values.0.key");
  if (cache == graph.inputs.size()) return;
  const std::vector<Dim>& dims = graph.value(graph.inputs[cache]).dims;
  const auto state = [&](const char* key, const Dim& dim) {
    if (!config.contains(key) || config[key].is_null()) config[key] = dim.value;
  };
  state("num_key_value_heads", dims.at(1));
  state("head_dim", dims.at(3));
}

}  // namespace bantam

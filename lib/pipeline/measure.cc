#include "pipeline/measure.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/convert_kernels.h"
#include "base/error.h"
#include "base/parallel.h"
#include "quantize/policy.h"

namespace bantam {
namespace {

constexpr std::int64_t kTileElements = 256 * 1024;

struct Tile {
  std::size_t source;
  RowRange rows;
};

// The weights that some variant stores as halves and that were not measured yet, each source once, in order
// of first use.
std::vector<Weight> half_weights(const Recipe& recipe, const Graph& model, const Measurements& measured) {
  std::vector<Weight> weights;
  std::set<const TensorSource*> seen;
  for (const Variant& variant : recipe.variants) {
    if (!info(variant.dtype).half) continue;
    const Graph graph = rescaled(model, variant, measured);
    const std::vector<Decision> decisions = decide(graph, find_uses(graph), variant);
    for (std::size_t w = 0; w < graph.weights.size(); ++w) {
      const Weight& weight = graph.weights[w];
      const DType dtype = weight.source->spec().dtype;
      if (decisions[w].scheme != Scheme::kFloat || dtype == DType::kF16 || !is_float(dtype)) continue;
      if (!measured.max_abs.contains(weight.source.get()) && seen.insert(weight.source.get()).second)
        weights.push_back(weight);
    }
  }
  return weights;
}

void measure_range(const Recipe& recipe, const std::vector<Weight>& weights, Measurements& measured,
                   Progress& progress) {
  std::vector<Tile> tiles;
  std::int64_t bytes = 0;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    const TensorSpec& spec = weights[w].source->spec();
    const std::int64_t step =
        std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(1, spec.width()));
    for (std::int64_t row = 0; row < spec.rows(); row += step) {
      tiles.push_back({w, {row, std::min(spec.rows(), row + step)}});
    }
    bytes += spec.bytes();
  }
  progress.begin("measure", bytes);
  std::vector<std::vector<float>> floats(static_cast<std::size_t>(std::max(recipe.threads, 1)));
  std::vector<std::vector<std::byte>> raw(floats.size());
  std::vector<float> largest(tiles.size());
  parallel_for(std::ssize(tiles), recipe.threads, [&](std::int64_t item, int worker) {
    check_cancelled();
    const auto index = static_cast<std::size_t>(item);
    const auto slot = static_cast<std::size_t>(worker);
    const Weight& weight = weights[tiles[index].source];
    const TensorSpec& spec = weight.source->spec();
    with_context(weight.name, [&] {
      floats[slot].resize(static_cast<std::size_t>(tiles[index].rows.count() * spec.width()));
      read_as_float(*weight.source, tiles[index].rows, raw[slot], floats[slot]);
      largest[index] = convert_kernels().max_abs(floats[slot].data(), std::ssize(floats[slot]));
    });
    progress.advance(tiles[index].rows.count() * byte_size(spec.dtype, spec.width()));
  });
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    float& value = measured.max_abs[weights[tiles[i].source].source.get()];
    // Not-finite weights are named by the encoder with row and column; here they must not force float32
    // islands.
    value = std::max(value, std::isfinite(largest[i]) ? largest[i] : 0.0f);
  }
}

}  // namespace

Measurements measure(const Recipe& recipe, const ModelGraph& model, Progress& progress) {
  Measurements measured;
  if (recipe.canonical) measured.canonical = canonical_sources(model.graph, recipe.threads, progress);
  measure_halves(recipe, model, measured, progress);
  return measured;
}

void measure_halves(const Recipe& recipe, const ModelGraph& model, Measurements& measured,
                    Progress& progress) {
  const std::vector<Weight> weights = half_weights(recipe, model.graph, measured);
  if (!weights.empty()) measure_range(recipe, weights, measured, progress);
}

}  // namespace bantam

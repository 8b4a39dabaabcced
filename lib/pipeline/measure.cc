#include "pipeline/measure.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/convert_kernels.h"
#include "base/error.h"
#include "base/parallel.h"

namespace bantam {
namespace {

constexpr std::int64_t kTileElements = 256 * 1024;

struct Tile {
  std::size_t source;
  RowRange rows;
};

}  // namespace

Measurements measure(const Recipe& recipe, const ModelGraph& model, Progress& progress) {
  const auto half = [](const Variant& variant) { return info(variant.dtype).half; };
  Measurements measured;
  if (std::none_of(recipe.variants.begin(), recipe.variants.end(), half)) return measured;

  std::vector<const Weight*> weights;
  std::set<const TensorSource*> seen;
  std::vector<Tile> tiles;
  std::int64_t bytes = 0;
  for (const Weight& weight : model.graph.weights) {
    const TensorSpec& spec = weight.source->spec();
    if (spec.dtype == DType::kF16 || !is_float(spec.dtype) || !seen.insert(weight.source.get()).second) continue;
    const std::int64_t step = std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(1, spec.width()));
    for (std::int64_t row = 0; row < spec.rows(); row += step) {
      tiles.push_back({weights.size(), {row, std::min(spec.rows(), row + step)}});
    }
    weights.push_back(&weight);
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
    const Weight& weight = *weights[tiles[index].source];
    const TensorSpec& spec = weight.source->spec();
    with_context(weight.name, [&] {
      floats[slot].resize(static_cast<std::size_t>(tiles[index].rows.count() * spec.width()));
      read_as_float(*weight.source, tiles[index].rows, raw[slot], floats[slot]);
      largest[index] = convert_kernels().max_abs(floats[slot].data(), std::ssize(floats[slot]));
    });
    progress.advance(tiles[index].rows.count() * byte_size(spec.dtype, spec.width()));
  });
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    float& value = measured.max_abs[weights[tiles[i].source]->source.get()];
    // Not-finite weights are named by the encoder with row and column; here they must not force float32 islands.
    value = std::max(value, std::isfinite(largest[i]) ? largest[i] : 0.0f);
  }
  return measured;
}

}  // namespace bantam

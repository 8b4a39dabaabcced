#include "shard/job.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

// Floats of one tile: large enough that system calls do not count, small enough for a core's cache.
constexpr std::int64_t kTileElements = 256 * 1024;

CodecJob& codec_job(Unit& unit, const Weight& weight) {
  const std::string key = weight.codec->key();
  for (CodecJob& job : unit.codecs) {
    if (job.codec->key() == key) return job;
  }
  CodecJob job{weight.codec, {}};
  for (PartSpec& spec : weight.codec->parts(weight.source->spec()))
    job.parts.push_back({std::move(spec), {}});
  unit.codecs.push_back(std::move(job));
  return unit.codecs.back();
}

bool has_transposed(const CodecJob& job) {
  return std::any_of(job.parts.begin(), job.parts.end(),
                     [](const PartJob& part) { return part.spec.transposed; });
}

// Bytes that one column of the transposed parts takes.
std::int64_t column_bytes(const Unit& unit) {
  std::int64_t bytes = 0;
  for (const CodecJob& job : unit.codecs) {
    for (const PartJob& part : job.parts) {
      if (part.spec.transposed) bytes += byte_size(part.spec.dtype, unit.rows);
    }
  }
  return bytes;
}

void split_into_panels(Unit unit, std::int64_t budget, std::vector<Unit>& units) {
  unit.tile_rows = std::clamp<std::int64_t>(kTileElements / std::max<std::int64_t>(unit.width, 1), 1,
                                            std::max<std::int64_t>(unit.rows, 1));
  unit.tiles = ceil_div(unit.rows, unit.tile_rows);
  const std::int64_t per_column = column_bytes(unit);
  // Half of the budget, so that the next tensor can start while this one is being written.
  const std::int64_t columns =
      per_column == 0 ? unit.width : std::max<std::int64_t>(1, budget / 2 / per_column);
  for (std::int64_t begin = 0; begin == 0 || begin < unit.width;
       begin += std::max<std::int64_t>(columns, 1)) {
    Unit panel = unit;
    panel.panel_begin = begin;
    panel.panel_end = std::min(unit.width, begin + columns);
    panel.panel_bytes = per_column * (panel.panel_end - panel.panel_begin);
    if (begin > 0) std::erase_if(panel.codecs, [](const CodecJob& job) { return !has_transposed(job); });
    units.push_back(std::move(panel));
  }
}

}  // namespace

std::vector<Unit> plan_units(std::span<const WriteTarget> targets, const WriteOptions& options) {
  std::vector<Unit> grouped;
  std::map<const TensorSource*, std::size_t> by_source;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const Graph& graph = *targets[t].graph;
    for (std::size_t w = 0; w < graph.weights.size(); ++w) {
      const Weight& weight = graph.weights[w];
      const auto [found, is_new] = by_source.emplace(weight.source.get(), grouped.size());
      if (is_new) {
        const TensorSpec& spec = weight.source->spec();
        grouped.push_back({weight.name, weight.source, {}, spec.rows(), spec.width()});
      }
      CodecJob& job = codec_job(grouped[found->second], weight);
      for (std::size_t p = 0; p < job.parts.size(); ++p) {
        const PartPlace& place = targets[t].layout->places[w][p];
        job.parts[p].destinations.push_back({t, place.shard, place.offset, weight.parts[p].stored});
      }
    }
  }
  std::vector<Unit> units;
  for (Unit& unit : grouped) split_into_panels(std::move(unit), options.transpose_bytes, units);
  return units;
}

}  // namespace bantam

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "quantize/fold.h"
#include "quantize/fold/coupled_weights.h"
#include "quantize/policy.h"
#include "quantize/usable_couplings.h"

namespace bantam {
namespace {

constexpr std::int64_t kTileElements = 256 * 1024;

bool is_int8(Scheme scheme) {
  return scheme == Scheme::kDynamicInt8 || scheme == Scheme::kDynamicUint8 || scheme == Scheme::kStaticInt8;
}

// A coupling from a norm, and which of its consumers are INT8.
struct Smoothable {
  const Coupling* coupling = nullptr;
  std::vector<const CoupledAxis*> readers;
};

// At least one.
std::vector<Smoothable> smoothable(const Graph& model, const Variant& variant) {
  const CoupledWeights weights(model);
  const std::vector<Decision> decisions = decide(model, find_uses(model), variant);
  std::vector<Smoothable> result;
  for (const Coupling* coupling : usable_couplings(model)) {
    // Gains and biases of norms are vectors; the rows of a linear are not.
    const bool norm = std::ranges::all_of(coupling->producers, [&](const CoupledAxis& axis) {
      return weights.of(axis).source->spec().shape.size() == 1;
    });
    const bool columns = std::ranges::all_of(coupling->consumers, [](const CoupledAxis& axis) {
      return axis.axis == CoupledAxis::Axis::kColumns;
    });
    if (!norm || !columns) continue;
    Smoothable found{coupling, {}};
    for (const CoupledAxis& axis : coupling->consumers) {
      if (is_int8(decisions[weights.index(axis)].scheme)) found.readers.push_back(&axis);
    }
    if (!found.readers.empty()) result.push_back(std::move(found));
  }
  if (result.empty()) {
    fail(
        "{}: nothing to smooth: no norm of this model may be rescaled against INT8 linears (in BERT its output is the residual too)",
        name(variant.dtype));
  }
  return result;
}

// Raises `largest` to the magnitudes of a weight's columns. What is not finite is left for the encoder to
// name.
void add_column_maxima(const Weight& weight, const CoupledAxis& axis, std::vector<double>& largest) {
  const TensorSource& source = *weight.source;
  const std::int64_t rows = source.spec().rows(), width = source.spec().width();
  const std::int64_t step = std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(1, width));
  std::vector<std::byte> raw;
  std::vector<float> values, columns(static_cast<std::size_t>(width));
  for (std::int64_t first = 0; first < rows; first += step) {
    check_cancelled();
    const RowRange tile{first, std::min(rows, first + step)};
    values.resize(static_cast<std::size_t>(tile.count() * width));
    read_as_float(source, tile, raw, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      float& column = columns[i % columns.size()];
      column = std::max(column, std::abs(values[i]));
    }
  }
  for (std::int64_t k = 0; k < width; ++k) {
    double& channel = largest[static_cast<std::size_t>(axis.channel(k))];
    channel = std::max(channel, static_cast<double>(columns[static_cast<std::size_t>(k)]));
  }
}

// Empty where calibration saw nothing of the readers.
std::vector<double> smoothing_scales(const CoupledWeights& weights, const Smoothable& smoothable,
                                     const Statistics& statistics, double alpha) {
  const auto channels = static_cast<std::size_t>(smoothable.coupling->channels);
  std::vector<double> inputs(channels), columns(channels);
  for (const CoupledAxis* axis : smoothable.readers) {
    const Weight& weight = weights.of(*axis);
    const InputStatisticsPtr input = statistics.input_of(weight.name);
    if (input == nullptr) return {};
    const std::span<const float> absmax = input->absmax();
    if (std::ssize(absmax) != weight.source->spec().width()) {
      fail("{}: its statistics hold {} maxima where {} were expected; calibrate this checkpoint again",
           weight.name, absmax.size(), weight.source->spec().width());
    }
    for (std::size_t k = 0; k < absmax.size(); ++k) {
      double& channel = inputs[static_cast<std::size_t>(axis->channel(static_cast<std::int64_t>(k)))];
      channel = std::max(channel, static_cast<double>(absmax[k]));
    }
    with_context(weight.name, [&] { add_column_maxima(weight, *axis, columns); });
  }
  std::vector<double> scales(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const bool live = inputs[c] > 0 && columns[c] > 0;  // else 0, which normalize_scales() leaves alone
    if (live) scales[c] = std::pow(inputs[c], alpha) / std::pow(columns[c], 1 - alpha);
  }
  normalize_scales(scales);
  return scales;
}

}  // namespace

void require_smoothable(const Graph& model, const Variant& variant) {
  smoothable(model, variant);
}
Folding fold_smooth(const Graph& model, const Variant& variant, const StatisticsPtr& statistics, int threads,
                    Progress& progress) {
  const CoupledWeights weights(model);
  const std::vector<Smoothable> list = smoothable(model, variant);
  progress.begin("smooth", std::ssize(list), ProgressUnit::kItems);
  std::vector<std::vector<double>> found(list.size());
  parallel_for(std::ssize(list), threads, [&](std::int64_t item, int) {
    const auto i = static_cast<std::size_t>(item);
    found[i] = smoothing_scales(weights, list[i], *statistics, *variant.smooth);
    progress.advance(1);
  });
  std::vector<ChannelScales> scales;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!found[i].empty()) scales.push_back({list[i].coupling, std::move(found[i])});
  }
  Folding folding = fold_scales(model, scales, statistics);
  folding.notes.push_back(
      fmt::format("the outputs of {} norms are smoothed, alpha {:g}", scales.size(), *variant.smooth));
  if (scales.size() < list.size()) {
    folding.notes.push_back(fmt::format("the outputs of {} more are not: calibration saw nothing of them",
                                        list.size() - scales.size()));
  }
  return folding;
}

}  // namespace bantam

#include "quantize/fold.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "quantize/fold/coupled_weights.h"
#include "quantize/fold/folded_statistics.h"
#include "quantize/scaled_source.h"

namespace bantam {

using Axis = CoupledAxis::Axis;

Graph Folding::apply(const Graph& model) const {
  return with_sources(model, sources);
}

bool folds(const Variant& variant) {
  return variant.smooth.has_value() || variant.method == Method::kAwq;
}

Folding fold(const Graph& model, const Variant& variant, const StatisticsPtr& statistics, int threads,
             Progress& progress) {
  BANTAM_ASSERT(folds(variant) && statistics != nullptr);
  return variant.smooth ? fold_smooth(model, variant, statistics, threads, progress)
                        : fold_awq(model, variant, statistics, threads, progress);
}

Folding fold_scales(const Graph& model, const std::vector<ChannelScales>& scales,
                    const StatisticsPtr& statistics) {
  const CoupledWeights weights(model);
  std::map<std::size_t, AxisFactors> factors;  // by weight
  std::map<std::string, InputStatisticsPtr, std::less<>> inputs;
  for (const ChannelScales& entry : scales) {
    const auto list = [&](const CoupledAxis& axis, std::int64_t length, bool inverse) {
      std::vector<double> result;
      for (std::int64_t i = 0; i < length; ++i) {
        const double scale = entry.scales.at(static_cast<std::size_t>(axis.channel(i)));
        result.push_back(inverse ? 1 / scale : scale);
      }
      return result;
    };
    for (const CoupledAxis& axis : entry.coupling->producers) {
      BANTAM_ASSERT(axis.axis == Axis::kRows);
      factors[weights.index(axis)].rows = list(axis, weights.of(axis).source->spec().rows(), true);
    }
    // Linears of one activation keep one object between them.
    std::map<InputStatisticsPtr, InputStatisticsPtr> divided;
    for (const CoupledAxis& axis : entry.coupling->consumers) {
      BANTAM_ASSERT(axis.axis == Axis::kColumns);
      const Weight& weight = weights.of(axis);
      std::vector<double> columns = list(axis, weight.source->spec().width(), false);
      const InputStatisticsPtr input = statistics == nullptr ? nullptr : statistics->input_of(weight.name);
      if (input != nullptr) {
        InputStatisticsPtr& now = divided[input];
        if (now == nullptr) now = divided_input(input, columns);
        inputs[weight.name] = now;
      }
      factors[weights.index(axis)].columns = std::move(columns);
    }
  }
  Folding folding;
  for (auto& [index, axes] : factors) {
    const TensorSourcePtr& source = model.weights[index].source;
    folding.sources[source.get()] = make_scaled_source(source, std::move(axes));
  }
  folding.statistics = inputs.empty() ? statistics : replaced_inputs(statistics, std::move(inputs));
  return folding;
}

}  // namespace bantam

#include "pipeline/prune/leave_weights_out.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/calibrate/measure_activations.h"
#include "quantize/canonical.h"
#include "quantize/scaled_source.h"
#include "quantize/sparse_source.h"

namespace bantam {
namespace {

constexpr std::array kThinned = {Role::kAttentionQ, Role::kAttentionK, Role::kAttentionV, Role::kAttentionO,
                                 Role::kMlpGate,    Role::kMlpUp,      Role::kMlpDown};

// The root of the mean square of what each column meets; empty where calibration saw nothing of the weight.
std::vector<float> column_sizes(const Statistics* statistics, const std::string& weight) {
  std::vector<float> sizes;
  const InputStatisticsPtr input = statistics == nullptr ? nullptr : statistics->input_of(weight);
  if (input == nullptr) return sizes;
  for (const float moment : input->second_moments()) sizes.push_back(std::sqrt(moment));
  return sizes;
}

}  // namespace

void leave_weights_out(const Recipe& recipe, const Checkpoint& checkpoint, ModelGraph& model, bool run,
                       Progress& progress) {
  BANTAM_ASSERT(recipe.sparsity);
  const auto [share, method] = *recipe.sparsity;
  ModelGraph scored = model;
  StatisticsPtr statistics;
  if (run) {
    if (recipe.canonical) {
      scored.graph = with_context(checkpoint.directory.string(), [&] {
        return canonical_sources(model.graph, recipe.threads, progress)
            .apply(model.graph, CanonicalForm::kFull);
      });
    }
    if (method == SparsityMethod::kWanda) statistics = measure_inputs(recipe, checkpoint, scored, progress);
  }
  std::map<const TensorSource*, TensorSourcePtr> sparse;
  std::int64_t zeros = 0, all = 0, tensors = 0;
  for (std::size_t w = 0; w < model.graph.weights.size(); ++w) {
    const Weight& weight = model.graph.weights[w];
    const TensorSpec& spec = weight.source->spec();
    all += element_count(spec.shape);
    if (std::ranges::find(kThinned, weight.role) == kThinned.end() || spec.shape.size() != 2 ||
        !is_float(spec.dtype))
      continue;
    ++tensors;
    zeros += spec.rows() * zeros_per_row(share, spec.width());
    sparse.emplace(weight.source.get(),
                   make_sparse_source(weight.source, scored.graph.weights[w].source,
                                      column_sizes(statistics.get(), weight.name), share));
  }
  model.graph = with_sources(model.graph, sparse);
  model.notes.push_back(fmt::format(
      "sparsity: {:.1f} % of the weights are zero, {:.0f} % of those of {} linears, by {}",
      100 * static_cast<double>(zeros) / static_cast<double>(all), 100 * share, tensors, name(method)));
}

}  // namespace bantam

#include "pipeline/calibrate/fold_channels.h"

#include "base/error.h"

namespace bantam {

void fold_channels(const Recipe& recipe, const ModelGraph& model, Measurements& measured,
                   Progress& progress) {
  for (const Variant& variant : recipe.variants) {
    if (!folds(variant) || measured.statistics == nullptr) continue;
    measured.foldings[variant.dtype] = with_context(name(variant.dtype), [&] {
      return fold(model.graph, variant, measured.statistics, recipe.threads, progress);
    });
  }
}

FoldedModel folded_for(const Variant& variant, const ModelGraph& model, const Measurements& measured) {
  FoldedModel folded{model, measured};
  if (const auto found = measured.foldings.find(variant.dtype); found != measured.foldings.end()) {
    folded.model.graph = found->second.apply(model.graph);
    folded.measured.statistics = found->second.statistics;
  }
  return folded;
}

}  // namespace bantam

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "graph/graph.h"
#include "quantize/statistics.h"
#include "quantize/variant.h"

namespace bantam {

// Rescaling channels for one variant, by what calibration saw of them. Every coupling (Graph::couplings)
// whose consumers hold columns is free to: the producers' channel c (a norm's gain and bias, rows of values,
// of "up") is divided by s(c), the consumers' columns are multiplied by it, and the model computes the same
// function. The model is the one that statistics were gathered of: in canonical scaling
// (quantize/canonical.h) unless that was declined, so that factors do not depend on how the checkpoint was
// scaled.
struct Folding {
  std::map<const TensorSource*, TensorSourcePtr> sources;  // the weights that change
  StatisticsPtr statistics;  // of what linears read now; null where the model's were
  std::vector<std::string> notes;

  // `model` with those sources.
  Graph apply(const Graph& model) const;
};

// Whether a variant asks for a folding.
bool folds(const Variant& variant);

// What `variant` asks for: fold_awq() or fold_smooth().
Folding fold(const Graph& model, const Variant& variant, const StatisticsPtr& statistics, int threads,
             Progress& progress);

// The scales s(c) of one coupling.
struct ChannelScales {
  const Coupling* coupling = nullptr;
  std::vector<double> scales;  // positive and finite
};
// Each weight is multiplied in double precision and rounded to float32 once. Statistics follow: second
// moments, largest magnitudes and Hessians are those of the inputs divided by s.
Folding fold_scales(const Graph& model, const std::vector<ChannelScales>& scales,
                    const StatisticsPtr& statistics);

// AWQ (Lin et al. 2023, arXiv 2306.00978): s(c) = m(c)^alpha over its geometric mean, m(c) the root of the
// second moment of what columns of channel c meet. Of alphas 0, .1, .. 1 the one stays (the least of equals)
// with which the coupling's blockwise consumers, encoded by the weighted search as they will be, lose least:
// the sum over consumers of E H E^T / W H W^T, E the error of decoded weights and H the Hessian, or its
// diagonal where that is all there is. Of a consumer rows of kAwqSample elements, evenly spread and 32 at
// least, are looked at. Alpha 0 changes nothing, so that a coupling never loses by this measure. Differences
// from the paper: magnitudes are second, not first moments; there is no search for clipping, which the
// weighted search of scales does; and couplings are searched one by one as if the others stayed, which is
// exact but for the rounding of scales to halves: rows are encoded alike whatever their size. Couplings
// without a consumer in 4 bits, or that calibration saw nothing of, stay. Memory: a Hessian, and a sample of
// one consumer.
inline constexpr std::int64_t kAwqSample = 1 << 16;
Folding fold_awq(const Graph& model, const Variant& variant, const StatisticsPtr& statistics, int threads,
                 Progress& progress);

// SmoothQuant (Xiao et al. 2022, arXiv 2211.10438): s(c) = max|x_c|^a / max|W_c|^(1-a) over its geometric
// mean, with a = variant.smooth, for couplings from a norm to linears in INT8; x_c is channel c of the norm's
// output, W_c the columns of all its INT8 readers. (A common factor of all channels changes neither codes nor
// results.) Channels whose maximum is zero on either side stay. Error where the model has no such coupling:
// norms whose output is also the residual (BERT).
Folding fold_smooth(const Graph& model, const Variant& variant, const StatisticsPtr& statistics, int threads,
                    Progress& progress);
// That error, found without statistics.
void require_smoothable(const Graph& model, const Variant& variant);

}  // namespace bantam

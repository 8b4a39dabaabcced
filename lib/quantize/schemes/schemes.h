#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "quantize/policy.h"
#include "quantize/quantize.h"

namespace bantam {

// Replaces every linear and embedding whose weight is decided to be quantized, and attaches the codecs.
// `fused_lookup`: embeddings by GatherBlockQuantized, where their rows are whole blocks. `factors` is for
// decisions whose method is GPTQ. Static linears are written as `format`.
void rewrite_quantized(Graph& graph, const std::vector<Decision>& decisions, bool fused_lookup,
                       const FactorCachePtr& factors, QuantFormat format);

// Turns a float32 graph into float16: weights stored as halves, every float edge half, graph inputs and
// outputs float32 as before. Weights whose values do not fit (max_abs > 65504) stay float32, with the node
// that reads them between casts; each is named in `notes`.
void convert_to_half(Graph& graph, const MaxAbs& max_abs, std::vector<std::string>& notes);

}  // namespace bantam

#pragma once

#include "base/json.h"
#include "graph/graph.h"
#include "pipeline/recipe.h"

namespace bantam {

// Makes a finished graph one that the recipe's target loads, of the operators that the recipe asks for.
//   tjs3: transformers.js 3.8 with its onnxruntime-node 1.21 and onnxruntime-web 1.22. No 8-bit MatMulNBits,
//   no GatherBlockQuantized, no GroupQueryAttention (1.21 knows no bias in it); num_logits_to_keep, which
//   version 3 does not feed, is a constant 0: logits of all positions.
void fit_to_target(Graph& graph, const Recipe& recipe);

// The variant as it is to be quantized before fit_to_target(): where embeddings are not of
// GatherBlockQuantized anyway, they are now, because that operator is one that can be written otherwise
// together with a tied head.
Variant fit_to_target(Variant variant, const Recipe& recipe);

// The same for config.json. Version 3 makes the first, empty caches from it: num_key_value_heads and head_dim
// are stated as the graph has them where the file leaves them to defaults.
void fit_to_target(Json& config, const Graph& graph, const Recipe& recipe);

}  // namespace bantam

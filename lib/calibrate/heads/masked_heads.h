#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "runtime/session.h"

namespace bantam {

// Heads by layer: {layer, head}.
using HeadSet = std::set<std::pair<std::int64_t, std::int64_t>>;

// A float graph whose heads can be switched off: every linear that reads heads (Graph::attentions) gets its
// input multiplied by a new graph input, head_mask.{layer}, float32 [heads * size].
Graph with_head_masks(Graph graph);

// Those inputs, with zeros for the heads of `off` and ones for all others.
void add_head_masks(const std::vector<AttentionOutput>& attentions, const HeadSet& off, Tensors& inputs);

}  // namespace bantam

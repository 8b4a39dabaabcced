#pragma once

#include "graph/graph.h"

// What a block finds again of the graph that it has built so far: values, by the linears and weights behind
// them.
namespace bantam {

const Node& producer_of(const Graph& graph, ValueId value);

// The output of the Gemm that `value` is, but for constant factors; kNoValue where it is something else.
ValueId unscaled(const Graph& graph, ValueId value);

// The Gemm that gives `output`.
const Node& linear_of(const Graph& graph, ValueId output);

const Weight& weight_of(const Graph& graph, ValueId value);
Weight& weight_of(Graph& graph, ValueId value);

}  // namespace bantam

#pragma once

#include <vector>

#include "graph/graph.h"

namespace bantam {

// The couplings of a model (Graph::couplings) that may be made use of: over weights that nothing but linears
// and norms reads, and axes that no other coupling claims. Layers that share their weights declare the same
// ones again; here they are once. The pointers live as long as the graph's list.
std::vector<const Coupling*> usable_couplings(const Graph& model);

}  // namespace bantam

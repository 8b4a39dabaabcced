#pragma once

#include "graph/graph.h"

namespace bantam {

// Sorts the nodes so that every value is produced before it is read; nodes that are in order keep their
// order. A cycle is an error that names one of its nodes. Values that nothing produces are left for
// Graph::check().
void sort_nodes(Graph& graph);

}  // namespace bantam

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// What statistics are kept of: the rows [n, width] that one or several linears read (Gemm with transB = 1 and
// a weight as input 1). Linears of one activation share a site, and so do all that a shared weight brings
// together (ALBERT's layers).
struct Site {
  std::vector<std::string> weights;  // names in the order of the graph
  std::int64_t width = 0;
};

struct Sites {
  std::vector<Site> list;  // in the order in which the graph first reads them
  // Where to look while the graph runs: (input 0, input 1) of one linear per activation -> index of the site.
  std::map<std::pair<ValueId, ValueId>, std::size_t> watched;
  // Per site the indices of its weights in Graph::weights.
  std::vector<std::vector<std::size_t>> weights;
};

// Of a float graph as families build it.
Sites find_sites(const Graph& graph);

}  // namespace bantam

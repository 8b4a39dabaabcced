#include "graph/topological.h"

#include <functional>
#include <queue>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::size_t kNobody = SIZE_MAX;

}  // namespace

void sort_nodes(Graph& graph) {
  const std::size_t count = graph.nodes.size();
  std::vector<std::size_t> producer(graph.values.size(), kNobody);
  for (std::size_t i = 0; i < count; ++i) {
    for (const ValueId id : graph.nodes[i].outputs) {
      if (id != kNoValue) producer.at(static_cast<std::size_t>(id)) = i;
    }
  }
  std::vector<std::size_t> missing(count, 0);
  std::vector<std::vector<std::size_t>> readers(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (const ValueId id : graph.nodes[i].inputs) {
      if (id == kNoValue || producer.at(static_cast<std::size_t>(id)) == kNobody) continue;
      readers[producer[static_cast<std::size_t>(id)]].push_back(i);
      ++missing[i];
    }
  }
  // The smallest index first: an order that was right stays as it was.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < count; ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<Node> sorted;
  sorted.reserve(count);
  std::vector<bool> done(count, false);
  while (!ready.empty()) {
    const std::size_t node = ready.top();
    ready.pop();
    done[node] = true;
    for (const std::size_t reader : readers[node]) {
      if (--missing[reader] == 0) ready.push(reader);
    }
    sorted.push_back(std::move(graph.nodes[node]));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!done[i])
      fail("node {} ({}): is part of a cycle or waits for one", graph.nodes[i].name, graph.nodes[i].type);
  }
  graph.nodes = std::move(sorted);
}

}  // namespace bantam

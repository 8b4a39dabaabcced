#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "convert/head_pruning.h"
#include "graph/graph.h"
#include "runtime/session.h"

namespace bantam {

// Sums over the rows that output projections read: number, sum and X^T X, per layer, in double. Gathered from
// runs of a session of the float graph that was opened without fusions.
class HeadActivations final : public Observer {
 public:
  // Of the layers in `removed`.
  HeadActivations(const Graph& graph, const std::map<std::int64_t, std::vector<std::int64_t>>& removed);

  void node(const Node& node, std::span<const Tensor* const> inputs,
            std::span<const Tensor* const> outputs) override;

  // The least-squares refit of every layer. A ridge of 1e-4 of the mean variance keeps it sane where the data
  // do not say enough. Errors when nothing was observed or the activations are not finite.
  std::map<std::int64_t, std::shared_ptr<const HeadRefit>> refits() const;

 private:
  struct Layer {
    AttentionOutput attention;
    std::vector<std::int64_t> removed;
    std::int64_t rows = 0;
    std::vector<double> sum;      // [width]
    std::vector<double> product;  // [width, width]
  };
  std::map<std::string, std::size_t> by_node_;
  std::vector<Layer> layers_;
};

}  // namespace bantam

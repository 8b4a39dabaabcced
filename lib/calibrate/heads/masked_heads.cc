#include "calibrate/heads/masked_heads.h"

#include <algorithm>

#include "base/error.h"

namespace bantam {
namespace {

std::string mask_name(std::int64_t layer) {
  return fmt::format("head_mask.{}", layer);
}

}  // namespace

Graph with_head_masks(Graph graph) {
  std::map<ValueId, ValueId> masks;  // by the weight that reads the heads
  for (const AttentionOutput& attention : graph.attentions) {
    const ValueId mask = graph.add_value(mask_name(attention.layer), DType::kF32);
    graph.value(mask).has_dims = true;
    graph.value(mask).dims = {Dim::fixed(attention.heads * attention.size)};
    graph.inputs.push_back(mask);
    masks.emplace(attention.weight, mask);
  }
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const auto found =
        node.type == "Gemm" && node.inputs.size() > 1 ? masks.find(node.inputs[1]) : masks.end();
    if (found != masks.end()) {
      Node product;
      product.type = "Mul";
      product.name = node.name + "/head_mask";
      const ValueId masked = graph.add_value(product.name + "_output_0", DType::kF32);
      product.inputs = {node.inputs[0], found->second};
      product.outputs = {masked};
      node.inputs[0] = masked;
      nodes.push_back(std::move(product));
    }
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  graph.check();
  return graph;
}

void add_head_masks(const std::vector<AttentionOutput>& attentions, const HeadSet& off, Tensors& inputs) {
  for (const AttentionOutput& attention : attentions) {
    Tensor mask(DType::kF32, {attention.heads * attention.size});
    const std::span<float> values = mask.mutable_data<float>();
    std::ranges::fill(values, 1.0F);
    for (std::int64_t head = 0; head < attention.heads; ++head) {
      if (!off.contains({attention.layer, head})) continue;
      std::ranges::fill(values.subspan(static_cast<std::size_t>(head * attention.size),
                                       static_cast<std::size_t>(attention.size)),
                        0.0F);
    }
    inputs.insert_or_assign(mask_name(attention.layer), std::move(mask));
  }
}

}  // namespace bantam

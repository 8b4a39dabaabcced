#include "calibrate/heads/refit_heads.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr double kRidge = 1e-4;

}  // namespace

HeadActivations::HeadActivations(const Graph& graph,
                                 const std::map<std::int64_t, std::vector<std::int64_t>>& removed) {
  std::map<ValueId, std::size_t> by_weight;
  for (const AttentionOutput& attention : graph.attentions) {
    const auto found = removed.find(attention.layer);
    if (found == removed.end()) continue;
    const auto width = static_cast<std::size_t>(attention.heads * attention.size);
    by_weight.emplace(attention.weight, layers_.size());
    layers_.push_back(
        {attention, found->second, 0, std::vector<double>(width), std::vector<double>(width * width)});
  }
  for (const Node& node : graph.nodes) {
    if (node.type != "Gemm" || node.inputs.size() < 2) continue;
    if (const auto found = by_weight.find(node.inputs[1]); found != by_weight.end())
      by_node_.emplace(node.name, found->second);
  }
}

void HeadActivations::node(const Node& node, std::span<const Tensor* const> inputs,
                           std::span<const Tensor* const>) {
  const auto found = by_node_.find(node.name);
  if (found == by_node_.end()) return;
  Layer& layer = layers_[found->second];
  const auto width = static_cast<Eigen::Index>(layer.sum.size());
  const std::span<const float> values = inputs[0]->data<float>();
  const Eigen::Map<const RowMatrix> x(values.data(), static_cast<Eigen::Index>(values.size()) / width, width);
  Eigen::Map<Eigen::VectorXd>(layer.sum.data(), width) += x.cast<double>().colwise().sum().transpose();
  const Eigen::MatrixXf product = x.transpose() * x;
  Eigen::Map<Eigen::MatrixXd>(layer.product.data(), width, width) += product.cast<double>();
  layer.rows += x.rows();
}

std::map<std::int64_t, std::shared_ptr<const HeadRefit>> HeadActivations::refits() const {
  std::map<std::int64_t, std::shared_ptr<const HeadRefit>> refits;
  for (const Layer& layer : layers_) {
    if (layer.rows == 0) fail("prune heads: no activation of layer {} was seen", layer.attention.layer);
    const auto width = static_cast<Eigen::Index>(layer.sum.size());
    const auto rows = static_cast<double>(layer.rows);
    const Eigen::VectorXd mean = Eigen::Map<const Eigen::VectorXd>(layer.sum.data(), width) / rows;
    Eigen::MatrixXd moments = Eigen::Map<const Eigen::MatrixXd>(layer.product.data(), width, width) / rows;
    if (!moments.allFinite())
      fail("prune heads: activations of layer {} are not finite", layer.attention.layer);
    if (layer.attention.bias) moments -= mean * mean.transpose();
    std::vector<Eigen::Index> kept, removed;
    for (Eigen::Index i = 0; i < width; ++i) {
      const bool leaves =
          std::ranges::binary_search(layer.removed, static_cast<std::int64_t>(i) / layer.attention.size);
      (leaves ? removed : kept).push_back(i);
    }
    Eigen::MatrixXd gram = moments(kept, kept);
    const double ridge = kRidge * std::max(gram.diagonal().mean(), 1e-12);
    gram.diagonal().array() += ridge;
    // x_P ~ x_K B, B = (X_K^T X_K)^-1 X_K^T X_P: [kept, removed].
    const Eigen::MatrixXd weights = gram.ldlt().solve(moments(kept, removed));
    auto refit = std::make_shared<HeadRefit>();
    refit->matrix.resize(kept.size() * removed.size());
    Eigen::Map<RowMatrix>(refit->matrix.data(), static_cast<Eigen::Index>(removed.size()),
                          static_cast<Eigen::Index>(kept.size())) = weights.transpose().cast<float>();
    if (layer.attention.bias) {
      const Eigen::VectorXd shift = mean(removed) - weights.transpose() * mean(kept);
      refit->shift.resize(removed.size());
      Eigen::Map<Eigen::VectorXf>(refit->shift.data(), shift.size()) = shift.cast<float>();
    }
    refits.emplace(layer.attention.layer, std::move(refit));
  }
  return refits;
}

}  // namespace bantam

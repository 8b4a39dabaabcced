#include "pipeline/evaluate/layers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/convert_kernels.h"
#include "calibrate/metrics/agreement.h"
#include "pipeline/bundle_model.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 3> kLayerTypes = {"Gemm", "LayerNormalization", "MatMul"};

bool is_float_tensor(const Tensor* tensor) {
  return tensor != nullptr && (tensor->dtype() == DType::kF32 || tensor->dtype() == DType::kF16 ||
                               tensor->dtype() == DType::kBF16);
}

// The node of the float graph that node `name` takes part in computing.
const std::string* layer_of(const std::vector<std::string>& layers, const std::string& name) {
  for (const std::string& layer : layers) {
    if (name == layer || (name.starts_with(layer) && name[layer.size()] == '/')) return &layer;
  }
  return nullptr;
}

}  // namespace

void LayerRecorder::node(const Node& node, std::span<const Tensor* const>,
                         std::span<const Tensor* const> outputs) {
  if (outputs.empty() || !is_float_tensor(outputs[0])) return;
  const std::string* layer = nullptr;
  if (wanted_ != nullptr) {
    layer = layer_of(*wanted_, node.name);
  } else if (std::ranges::find(kLayerTypes, node.type) != kLayerTypes.end()) {
    names_.push_back(node.name);
    layer = &names_.back();
  }
  if (layer == nullptr && !first_nonfinite_.empty()) return;
  std::vector<float> values = to_floats(*outputs[0]);
  if (first_nonfinite_.empty() &&
      !std::isfinite(convert_kernels().max_abs(values.data(), std::ssize(values)))) {
    first_nonfinite_ = node.name;
  }
  if (layer != nullptr) {
    const Shape& shape = outputs[0]->shape();
    values_[*layer] = {std::move(values), shape.empty() ? 1 : shape.back()};
  }
}

void LayerErrors::add(const LayerRecorder& reference, const LayerRecorder& variant) {
  if (order_.empty()) order_ = reference.names();
  for (const std::string& layer : reference.names()) {
    const auto x = reference.values().find(layer);
    const auto y = variant.values().find(layer);
    if (y == variant.values().end()) continue;
    const std::vector<float>& wanted = x->second.values;
    const std::vector<float>& given = y->second.values;
    if (wanted.size() != given.size()) continue;
    // One sum for all, unless channels need their own; the width of attention scores grows with the text.
    Layer& sum = layers_[layer];
    const auto width = rescaled_ ? static_cast<std::size_t>(x->second.width) : 1;
    if (sum.channels.size() < width) sum.channels.resize(width);
    sum.rows += std::ssize(wanted) / std::max<std::int64_t>(1, x->second.width);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const double a = wanted[i], b = given[i];
      Sums& sums = sum.channels[i % width];
      sums.signal += a * a;
      sums.other += b * b;
      sums.dot += a * b;
      sums.noise += (a - b) * (a - b);
    }
  }
}

LayerErrors::Sums LayerErrors::total(const std::vector<Sums>& channels, std::int64_t rows) const {
  constexpr std::int64_t kEnoughRows = 16;
  Sums sum;
  for (Sums channel : channels) {
    if (rescaled_ && rows >= kEnoughRows && channel.other > 0) {
      const double scale = channel.dot / channel.other;
      channel.noise = std::max(0.0, channel.signal - scale * channel.dot);
      channel.dot *= scale;
      channel.other *= scale * scale;
    }
    sum.signal += channel.signal;
    sum.other += channel.other;
    sum.dot += channel.dot;
    sum.noise += channel.noise;
  }
  return sum;
}

std::vector<LayerError> LayerErrors::result() const {
  std::vector<LayerError> errors;
  for (const std::string& layer : order_) {
    const auto found = layers_.find(layer);
    if (found == layers_.end()) continue;
    const Sums sums = total(found->second.channels, found->second.rows);
    LayerError error{layer, kExactSqnr, 1};
    const bool finite = std::isfinite(sums.noise);
    if (!finite || (sums.signal == 0 && sums.noise > 0)) {
      error.sqnr_db = -kExactSqnr;
    } else if (sums.noise > 0) {
      error.sqnr_db = std::clamp(10 * std::log10(sums.signal / sums.noise), -kExactSqnr, kExactSqnr);
    }
    const double norms = std::sqrt(sums.signal) * std::sqrt(sums.other);
    if (!finite) {
      error.cosine = 0;
    } else if (sums.noise > 0) {
      error.cosine = norms > 0 ? std::min(1.0, sums.dot / norms) : 0;
    }
    errors.push_back(std::move(error));
  }
  return errors;
}

}  // namespace bantam

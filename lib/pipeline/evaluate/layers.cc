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
  if (first_nonfinite_.empty() && !std::isfinite(convert_kernels().max_abs(values.data(), std::ssize(values)))) {
    first_nonfinite_ = node.name;
  }
  if (layer != nullptr) values_[*layer] = std::move(values);
}

void LayerErrors::add(const LayerRecorder& reference, const LayerRecorder& variant) {
  if (order_.empty()) order_ = reference.names();
  for (const std::string& layer : reference.names()) {
    const auto x = reference.values().find(layer);
    const auto y = variant.values().find(layer);
    if (y == variant.values().end() || x->second.size() != y->second.size()) continue;
    Sums& sums = sums_[layer];
    for (std::size_t i = 0; i < x->second.size(); ++i) {
      const double a = x->second[i], b = y->second[i];
      sums.signal += a * a;
      sums.other += b * b;
      sums.dot += a * b;
      sums.noise += (a - b) * (a - b);
    }
  }
}

std::vector<LayerError> LayerErrors::result() const {
  std::vector<LayerError> errors;
  for (const std::string& layer : order_) {
    const auto found = sums_.find(layer);
    if (found == sums_.end()) continue;
    const Sums& sums = found->second;
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

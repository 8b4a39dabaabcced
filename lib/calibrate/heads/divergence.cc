#include "calibrate/heads/divergence.h"

#include "base/error.h"
#include "calibrate/metrics/agreement.h"

namespace bantam {
namespace {

double relative_error(std::span<const float> original, std::span<const float> changed) {
  double noise = 0, signal = 0;
  for (std::size_t i = 0; i < original.size(); ++i) {
    const double difference = static_cast<double>(original[i]) - static_cast<double>(changed[i]);
    noise += difference * difference;
    signal += static_cast<double>(original[i]) * static_cast<double>(original[i]);
  }
  return signal > 0 ? noise / signal : noise;
}

}  // namespace

double output_divergence(const Tensors& original, const Tensors& changed) {
  double sum = 0;
  int outputs = 0;
  for (const auto& [name, tensor] : original) {
    const auto found = changed.find(name);
    if (found == changed.end() || tensor.dtype() != DType::kF32 || name.starts_with("present.")) continue;
    const std::span<const float> p = tensor.data<float>(), q = found->second.data<float>();
    if (p.empty()) continue;
    BANTAM_ASSERT(p.size() == q.size());
    const auto classes = static_cast<std::size_t>(tensor.dim(tensor.rank() - 1));
    ++outputs;
    if (!name.ends_with("logits") || classes < 2) {
      sum += relative_error(p, q);
      continue;
    }
    double total = 0;
    for (std::size_t row = 0; row < p.size(); row += classes) {
      total += kl_divergence(p.subspan(row, classes), q.subspan(row, classes));
    }
    sum += total / static_cast<double>(p.size() / classes);
  }
  if (outputs == 0) fail("the model gives no output by which heads could be judged");
  return sum / outputs;
}

}  // namespace bantam

#include "calibrate/heads/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

// KL(p || q) of softmax(p), softmax(q).
double divergence(std::span<const float> p, std::span<const float> q) {
  const auto log_sum = [](std::span<const float> logits, double largest) {
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
    return largest + std::log(sum);
  };
  const double log_p = log_sum(p, std::ranges::max(p)), log_q = log_sum(q, std::ranges::max(q));
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double a = static_cast<double>(p[i]) - log_p, b = static_cast<double>(q[i]) - log_q;
    sum += std::exp(a) * (a - b);
  }
  return std::max(sum, 0.0);
}

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
      total += divergence(p.subspan(row, classes), q.subspan(row, classes));
    }
    sum += total / static_cast<double>(p.size() / classes);
  }
  if (outputs == 0) fail("the model gives no output by which heads could be judged");
  return sum / outputs;
}

}  // namespace bantam

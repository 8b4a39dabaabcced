#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "quantize/methods/method_codec.h"
#include "quantize/methods/methods.h"

namespace bantam {
namespace {

// Over their mean, and none so small that its column would not count at all.
std::vector<float> relative(std::span<const float> moments) {
  const double mean =
      std::accumulate(moments.begin(), moments.end(), 0.0) / static_cast<double>(moments.size());
  if (!std::isfinite(mean) || mean < 0) fail("the second moments of the input are not finite and positive");
  std::vector<float> weights;
  for (const float moment : moments) {
    weights.push_back(mean == 0 ? 1.0f : std::max(static_cast<float>(moment / mean), 1e-4f));
  }
  return weights;
}

}  // namespace

CodecPtr weighted_codec(const BlockwiseOptions& options, const InputStatisticsPtr& input) {
  const std::vector<float> weights = relative(input->second_moments());
  return method_codec(options, "weighted", input->width(), [weights](MethodTask& task) {
    task.weights = weights.data();
    method_kernels().weighted(task);
  });
}

}  // namespace bantam

#include "quantize/methods/method_codec.h"
#include "quantize/methods/methods.h"

namespace bantam {
namespace {

constexpr int kPasses = 2;

}  // namespace

CodecPtr gptq_codec(const BlockwiseOptions& options, const InputStatisticsPtr& input, FactorCachePtr factors) {
  return method_codec(options, "gptq", input->width(), [input, factors = std::move(factors)](MethodTask& task) {
    const FactorPtr factor = factors->get(input);
    task.weights = factor->weights().data();
    task.factor = factor->view();
    task.passes = kPasses;
    method_kernels().gptq(task);
  });
}

}  // namespace bantam

#include "quantize/methods/method_codec.h"
#include "quantize/methods/methods.h"

namespace bantam {

CodecPtr gptq_codec(const BlockwiseOptions& options, const InputStatisticsPtr& input, FactorCachePtr factors,
                    int passes) {
  return method_codec(options, "gptq", input->width(),
                      [input, factors = std::move(factors), passes](MethodTask& task) {
                        const FactorPtr factor = factors->get(input);
                        task.weights = factor->weights().data();
                        task.factor = factor->view();
                        task.passes = passes;
                        method_kernels().gptq(task);
                      });
}

}  // namespace bantam

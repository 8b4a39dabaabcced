#include "quantize/methods/method_codec.h"
#include "quantize/methods/methods.h"

namespace bantam {

CodecPtr hqq_codec(const BlockwiseOptions& options) {
  return method_codec(options, "hqq", 0, [](MethodTask& task) { method_kernels().hqq(task); });
}

}  // namespace bantam

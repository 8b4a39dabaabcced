#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "quantize/codec.h"
#include "quantize/methods/kernels.h"

namespace bantam {

// Chooses codes, scales and zero points of whole rows: fills the outputs of the task. The rows, the sizes and
// the scratch memory are set; what else the method knows it adds itself. Throws Error; thread-safe.
using RowMethod = std::function<void(MethodTask& task)>;

// A blockwise codec (same parts, same decode) whose codes come from `method`; `name` goes into its key.
// `width` is that of the weights it is for, 0 for any: another one is an assertion.
CodecPtr method_codec(const BlockwiseOptions& options, std::string name, std::int64_t width,
                      RowMethod method);

}  // namespace bantam

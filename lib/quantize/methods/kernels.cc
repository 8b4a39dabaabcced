#include "quantize/methods/kernels.h"

#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_TABLE(MethodKernels, kMethodKernels, method_kernels)

}  // namespace bantam

#include "quantize/canonical/kernels.h"

#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_TABLE(ScalingKernels, kScalingKernels, scaling_kernels)

}  // namespace bantam

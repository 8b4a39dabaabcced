#include "base/convert_kernels.h"

#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_TABLE(ConvertKernels, kConvertKernels, convert_kernels)

}  // namespace bantam

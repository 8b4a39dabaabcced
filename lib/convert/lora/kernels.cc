#include "convert/lora/kernels.h"

#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_TABLE(LoraKernels, kLoraKernels, lora_kernels)

}  // namespace bantam

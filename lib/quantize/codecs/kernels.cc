#include "quantize/codecs/kernels.h"

#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_TABLE(CodecKernels, kCodecKernels, codec_kernels)

}  // namespace bantam

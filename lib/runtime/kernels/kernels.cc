#include "runtime/kernels/kernels.h"

#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_DECLARE(GemmF32Kernel, kGemmF32Kernel)
BANTAM_ISA_DECLARE(GemmS8Kernel, kGemmS8Kernel)
BANTAM_ISA_DECLARE(NbitsKernels, kNbitsKernels)
BANTAM_ISA_DECLARE(VectorKernels, kVectorKernels)

namespace {

Kernels kernels_of([[maybe_unused]] Isa level) {
  return {BANTAM_ISA_PICK(kGemmF32Kernel), BANTAM_ISA_PICK(kGemmS8Kernel), BANTAM_ISA_PICK(kNbitsKernels),
          BANTAM_ISA_PICK(kVectorKernels)};
}

}  // namespace

const Kernels& kernels(Isa isa) {
  static const Kernels v2 = kernels_of(Isa::kV2), v3 = kernels_of(Isa::kV3), v4 = kernels_of(Isa::kV4);
  return isa == Isa::kV4 ? v4 : isa == Isa::kV3 ? v3 : v2;
}

const Kernels& kernels() {
  static const Kernels& chosen = kernels(isa());
  return chosen;
}

}  // namespace bantam

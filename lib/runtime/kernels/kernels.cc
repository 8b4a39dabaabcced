#include "runtime/kernels/kernels.h"

namespace bantam {

#define BANTAM_DECLARE_LEVEL(level)          \
  namespace level {                          \
  extern const GemmF32Kernel kGemmF32Kernel; \
  extern const GemmS8Kernel kGemmS8Kernel;   \
  extern const NbitsKernels kNbitsKernels;   \
  extern const VectorKernels kVectorKernels; \
  }
BANTAM_DECLARE_LEVEL(isa_v2)
#if defined(__x86_64__) || defined(__aarch64__)
BANTAM_DECLARE_LEVEL(isa_v3)
#endif
#if defined(__x86_64__)
BANTAM_DECLARE_LEVEL(isa_v4)
#endif
#undef BANTAM_DECLARE_LEVEL

const Kernels& kernels(Isa isa) {
  static const Kernels v2 = {isa_v2::kGemmF32Kernel, isa_v2::kGemmS8Kernel, isa_v2::kNbitsKernels,
                             isa_v2::kVectorKernels};
#if defined(__x86_64__) || defined(__aarch64__)
  static const Kernels v3 = {isa_v3::kGemmF32Kernel, isa_v3::kGemmS8Kernel, isa_v3::kNbitsKernels,
                             isa_v3::kVectorKernels};
  if (isa == Isa::kV3) return v3;
#endif
#if defined(__x86_64__)
  static const Kernels v4 = {isa_v4::kGemmF32Kernel, isa_v4::kGemmS8Kernel, isa_v4::kNbitsKernels,
                             isa_v4::kVectorKernels};
  if (isa == Isa::kV4) return v4;
#endif
  return v2;
}

const Kernels& kernels() {
  static const Kernels& chosen = kernels(isa());
  return chosen;
}

}  // namespace bantam

#include "quantize/canonical/kernels.h"

namespace bantam {

namespace isa_v2 { extern const ScalingKernels kScalingKernels; }
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 { extern const ScalingKernels kScalingKernels; }
#endif
#if defined(__x86_64__)
namespace isa_v4 { extern const ScalingKernels kScalingKernels; }
#endif

const ScalingKernels& scaling_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kV4: return isa_v4::kScalingKernels;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3: return isa_v3::kScalingKernels;
#endif
    default: return isa_v2::kScalingKernels;
  }
}

const ScalingKernels& scaling_kernels() {
  static const ScalingKernels& chosen = scaling_kernels(isa());
  return chosen;
}

}  // namespace bantam

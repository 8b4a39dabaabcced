#include "quantize/methods/kernels.h"

namespace bantam {

namespace isa_v2 {
extern const MethodKernels kMethodKernels;
}
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 {
extern const MethodKernels kMethodKernels;
}
#endif
#if defined(__x86_64__)
namespace isa_v4 {
extern const MethodKernels kMethodKernels;
}
#endif

const MethodKernels& method_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kV4:
      return isa_v4::kMethodKernels;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3:
      return isa_v3::kMethodKernels;
#endif
    default:
      return isa_v2::kMethodKernels;
  }
}

const MethodKernels& method_kernels() {
  static const MethodKernels& chosen = method_kernels(isa());
  return chosen;
}

}  // namespace bantam

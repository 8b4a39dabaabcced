#include "convert/lora/kernels.h"

namespace bantam {

namespace isa_v2 {
extern const LoraKernels kLoraKernels;
}
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 {
extern const LoraKernels kLoraKernels;
}
#endif
#if defined(__x86_64__)
namespace isa_v4 {
extern const LoraKernels kLoraKernels;
}
#endif

const LoraKernels& lora_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kV4:
      return isa_v4::kLoraKernels;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3:
      return isa_v3::kLoraKernels;
#endif
    default:
      return isa_v2::kLoraKernels;
  }
}

const LoraKernels& lora_kernels() {
  static const LoraKernels& chosen = lora_kernels(isa());
  return chosen;
}

}  // namespace bantam

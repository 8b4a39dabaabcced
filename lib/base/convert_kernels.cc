#include "base/convert_kernels.h"

#include "base/error.h"

namespace bantam {

namespace isa_v2 { extern const ConvertKernels kConvertKernels; }
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 { extern const ConvertKernels kConvertKernels; }
#endif
#if defined(__x86_64__)
namespace isa_v4 { extern const ConvertKernels kConvertKernels; }
#endif

const ConvertKernels& convert_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kV4: return isa_v4::kConvertKernels;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3: return isa_v3::kConvertKernels;
#endif
    default: return isa_v2::kConvertKernels;
  }
}

const ConvertKernels& convert_kernels() {
  static const ConvertKernels& chosen = convert_kernels(isa());
  return chosen;
}

}  // namespace bantam

#include "quantize/codecs/kernels.h"

namespace bantam {

namespace isa_v2 {
extern const CodecKernels kCodecKernels;
}
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 {
extern const CodecKernels kCodecKernels;
}
#endif
#if defined(__x86_64__)
namespace isa_v4 {
extern const CodecKernels kCodecKernels;
}
#endif

const CodecKernels& codec_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kV4:
      return isa_v4::kCodecKernels;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3:
      return isa_v3::kCodecKernels;
#endif
    default:
      return isa_v2::kCodecKernels;
  }
}

const CodecKernels& codec_kernels() {
  static const CodecKernels& chosen = codec_kernels(isa());
  return chosen;
}

}  // namespace bantam

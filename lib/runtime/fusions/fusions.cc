#include "runtime/fusions/fusions.h"

namespace bantam {

std::span<const Fusion> fusions() {
  static constexpr Fusion kFusions[] = {
      {"attention", fuse_attention},
      {"integer product", fuse_integer_product},
      {"static product", fuse_static_product},
      {"static bias", fuse_static_bias},
      {"bias", fuse_bias},
      {"activation", fuse_activation},
      {"add and normalize", fuse_add_norm},
  };
  return kFusions;
}

}  // namespace bantam

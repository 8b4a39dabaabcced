#include "convert/architecture.h"
#include "convert/families/families.h"

namespace bantam {

std::span<const Architecture* const> architectures() {
  static constexpr const Architecture* kList[] = {&kBert};
  return kList;
}

}  // namespace bantam

#include "convert/architecture.h"
#include "convert/families/families.h"

namespace bantam {

std::span<const Architecture* const> architectures() {
  static constexpr const Architecture* kList[] = {&kAlbert,     &kBert,  &kDistilBert, &kElectra,
                                                  &kMobileBert, &kMpnet, &kRoberta};
  return kList;
}

}  // namespace bantam

#include "convert/architecture.h"
#include "convert/families/families.h"

namespace bantam {

std::span<const Architecture* const> architectures() {
  static constexpr const Architecture* kList[] = {&kAlbert,     &kBert,  &kDistilBert, &kElectra, &kLlama,
                                                  &kMobileBert, &kMpnet, &kQwen2,      &kQwen3,   &kRoberta};
  return kList;
}

}  // namespace bantam

#include "convert/architecture.h"
#include "convert/families/families.h"

namespace bantam {

std::span<const Architecture* const> architectures() {
  static constexpr const Architecture* kList[] = {
      &kAlbert, &kBert,       &kDistilBert, &kElectra, &kGemma3, &kGpt2,  &kGptNeo, &kGptNeoX,
      &kLlama,  &kMobileBert, &kMpnet,      &kPhi,     &kPhi3,   &kQwen2, &kQwen3,  &kRoberta};
  return kList;
}

}  // namespace bantam

#include "convert/architecture.h"

namespace bantam {

std::span<const Architecture* const> architectures() { return {}; }

}  // namespace bantam

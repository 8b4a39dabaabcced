#pragma once

#include "runtime/kernels/kernels.h"
#include "runtime/op.h"

namespace bantam {

// The activation that a fusion attached to a node of the internal domain; kNone for any other node.
Activation activation_of(OpNode& node);

}  // namespace bantam

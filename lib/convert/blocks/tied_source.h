#pragma once

#include "graph/tensor_source.h"

namespace bantam {

// A tensor that the checkpoint holds twice: `kept`, and `copy`, which config.json says is the same. Bytes are
// those of `kept`; every read compares them with the copy's and throws Error naming both where they differ,
// so that storing them once can never change the model. Both must have the same type and shape (Error).
TensorSourcePtr make_tied_source(TensorSourcePtr kept, TensorSourcePtr copy);

}  // namespace bantam

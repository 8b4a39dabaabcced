#pragma once

#include <cstdint>
#include <memory>

#include "base/file.h"
#include "graph/tensor_source.h"

namespace bantam {

// A view of elements in a file: element (i0, i1, ...) lies strides[0] * i0 + strides[1] * i1 + ... elements
// behind byte `offset`; strides are not negative and may be 0 (torch's transpose, expand, slices). A view
// that lies in one piece becomes a file source; others gather rows when they are read, with at most a few MiB
// of scratch.
TensorSourcePtr make_strided_source(TensorSpec spec, std::shared_ptr<const File> file, std::int64_t offset,
                                    const Shape& strides);

}  // namespace bantam

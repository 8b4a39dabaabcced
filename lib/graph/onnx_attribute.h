#pragma once

#include "graph/graph.h"

namespace onnx {
class AttributeProto;
}

namespace bantam {

// An AttributeProto as an Attribute. Subgraphs, sparse tensors, types and references to function attributes
// are errors that name the attribute.
Attribute attribute_of(const onnx::AttributeProto& proto);

}  // namespace bantam

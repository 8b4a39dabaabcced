#pragma once

#include <span>

#include "runtime/fuse.h"

namespace bantam {

// The one list of fusions, in the order in which they are tried.
std::span<const Fusion> fusions();

// Scaled dot product attention spelled out in transposes, products and a softmax.
bool fuse_attention(FusionView& view, Node& last);
// MatMulInteger, Cast, Mul and Add: the float result of a product of integers.
bool fuse_integer_product(FusionView& view, Node& last);
// MatMul of an activation and a weight that were quantized and come back through DequantizeLinear.
bool fuse_static_product(FusionView& view, Node& last);
// A bias added to such a product, or subtracted after a Neg.
bool fuse_static_bias(FusionView& view, Node& last);
// A bias added to a product with a constant matrix.
bool fuse_bias(FusionView& view, Node& last);
// An activation of a product's result.
bool fuse_activation(FusionView& view, Node& last);
// An addition whose result is normalized.
bool fuse_add_norm(FusionView& view, Node& last);

}  // namespace bantam

// RotaryEmbedding of com.microsoft: pairs (i, i + half) of the first columns of every head turn by the angle
// of their position (RoFormer, arXiv:2104.09864, in the halves of GPT-NeoX); columns beyond the tables' stay.
#include <limits>

#include "base/error.h"
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

// The rows of a table that belong to the positions, [batch, sequence, 1, half]. Layers share them.
ValueId rows_of(Lowering& to, ValueId table, ValueId positions) {
  const auto [known, fresh] = to.tables.emplace(std::pair(table, positions), kNoValue);
  if (fresh) {
    const ValueId rows = to.op("Gather", {table, positions});
    known->second = to.op("Unsqueeze", {rows, to.builder().constant({2})});
  }
  return known->second;
}

}  // namespace

void lower_rotary(Lowering& to, const Node& node) {
  expect_attributes(node,
                    {"interleaved", "num_heads", "rotary_embedding_dim", "is_packed_batching", "scale"});
  expect_integer(node, "interleaved", 0, 0);
  expect_integer(node, "is_packed_batching", 0, 0);
  if (real(node, "scale", 1.0F) != 1.0F) fail("a scale is not covered here");
  const std::int64_t heads = integer(node, "num_heads", 0);
  if (heads < 1) fail("num_heads is {}; it must be given", heads);
  const std::int64_t partial = integer(node, "rotary_embedding_dim", 0);

  GraphBuilder& builder = to.builder();
  const ValueId cos = rows_of(to, input(node, 2), input(node, 1));
  const ValueId sin = rows_of(to, input(node, 3), input(node, 1));
  const ValueId x = to.op("Reshape", {input(node, 0), builder.constant({0, 0, heads, -1})});
  ValueId turning = x;
  ValueId rest = kNoValue;
  const ValueId last = builder.constant({-1});
  if (partial > 0) {
    const ValueId edge = builder.constant({partial});
    turning = to.op("Slice", {x, builder.constant({0}), edge, last});
    rest = to.op("Slice", {x, edge, builder.constant({std::numeric_limits<std::int64_t>::max()}), last});
  }
  const ValueId inputs[] = {turning};
  const std::vector<ValueId> halves =
      builder.op_many("Split", inputs, 2, {{"axis", std::int64_t{-1}}, {"num_outputs", std::int64_t{2}}});
  const ValueId first = to.op("Sub", {to.op("Mul", {halves[0], cos}), to.op("Mul", {halves[1], sin})});
  const ValueId second = to.op("Add", {to.op("Mul", {halves[0], sin}), to.op("Mul", {halves[1], cos})});
  const std::vector<Attribute> axis = {{"axis", std::int64_t{-1}}};
  const ValueId turned = rest == kNoValue ? to.op("Concat", {first, second}, axis)
                                          : to.op("Concat", {first, second, rest}, axis);
  to.write(output(node, 0), "Reshape", {turned, builder.constant({0, 0, -1})});
}

}  // namespace bantam

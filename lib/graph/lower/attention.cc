// GroupQueryAttention of com.microsoft in the form that decoders of lib/convert emit: with a bias that hides
// padding, and all keys for all texts.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

// Follows casts and broadcasts back to what they are made of.
const Node* origin(const Lowering& to, ValueId value) {
  const Node* node = to.producer(value);
  while (node != nullptr && (node->type == "Cast" || node->type == "Expand")) {
    value = node->inputs[0];
    node = to.producer(value);
  }
  return node;
}

bool is_one(Lowering& to, ValueId value) {
  for (const Constant& constant : to.graph().constants) {
    if (constant.value != value || constant.data.dtype != DType::kI64) continue;
    const std::int64_t one = 1;
    return constant.data.bytes == bytes_of(std::span(&one, 1));
  }
  return false;
}

// seqlens_k, the last key of each text, is the total number of keys - 1: a difference of that number and 1.
// Other values mean padding on the right.
void expect_all_keys(Lowering& to, const Node& node) {
  const Node* last = origin(to, input(node, 5));
  const Node* total = to.producer(input(node, 6));
  const bool all = last != nullptr && last->type == "Sub" && is_one(to, last->inputs[1]) &&
                   total != nullptr && total->type == "Cast" && total->inputs[0] == last->inputs[0];
  if (!all) fail("seqlens_k is not total_sequence_length - 1 for every text; that is not covered here");
}

// The bias [batch or 1, heads or 1, queries, keys] with the lowest number at keys that come after the query.
// Layers share it.
ValueId causal(Lowering& to, ValueId bias) {
  const auto [known, fresh] = to.masks.emplace(bias, kNoValue);
  if (!fresh) return known->second;
  GraphBuilder& builder = to.builder();
  const ValueId shape = to.op("Shape", {bias}, {}, DType::kI64);
  const ValueId queries = to.op("Gather", {shape, builder.scalar(std::int64_t{2})});
  const ValueId keys = to.op("Gather", {shape, builder.scalar(std::int64_t{3})});
  const ValueId one = builder.scalar(std::int64_t{1});
  const ValueId query = to.op("Range", {to.op("Sub", {keys, queries}), keys, one});
  const ValueId key = to.op("Range", {builder.scalar(std::int64_t{0}), keys, one});
  const ValueId column = to.op("Unsqueeze", {query, builder.constant({1})});
  const ValueId before = to.op("LessOrEqual", {key, column}, {}, DType::kBool);
  // Not added to the bias: twice the lowest number is minus infinity, and a text's padding would become NaN.
  const ValueId lowest = to.scalar(std::numeric_limits<float>::lowest(), bias);
  known->second = to.op("Where", {before, bias, lowest}, {}, to.dtype(bias));
  return known->second;
}

struct Heads {
  std::int64_t queries, keys;
};

// [batch, rows, heads * size] -> [batch, heads, rows, size]
ValueId by_head(Lowering& to, ValueId rows, std::int64_t heads) {
  const ValueId split = to.op("Reshape", {rows, to.builder().constant({0, 0, heads, -1})});
  return to.op("Transpose", {split}, {{"perm", std::vector<std::int64_t>{0, 2, 1, 3}}});
}

// The new keys or values behind those of the cache: an output of the node.
ValueId grown(Lowering& to, ValueId target, ValueId past, ValueId rows, std::int64_t heads) {
  if (target == kNoValue || past == kNoValue) fail("a cache must be given and taken");
  const ValueId fresh = by_head(to, rows, heads);
  to.write(target, "Concat", {past, fresh}, {{"axis", std::int64_t{2}}});
  return target;
}

float scale_of(Lowering& to, const Node& node) {
  const float stated = real(node, "scale", 0.0F);
  if (stated != 0.0F) return stated;
  const Value& cache = to.graph().value(output(node, 1));
  if (!cache.has_dims || cache.dims.size() != 4 || !cache.dims[3].is_fixed()) fail("a scale must be given");
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(cache.dims[3].value)));
}

}  // namespace

void lower_group_query_attention(Lowering& to, const Node& node) {
  expect_attributes(node,
                    {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size", "do_rotary",
                     "rotary_interleaved", "smooth_softmax", "k_quant_type", "v_quant_type", "qk_output"});
  expect_integer(node, "local_window_size", -1, -1);
  expect_integer(node, "do_rotary", 0, 0);
  expect_integer(node, "smooth_softmax", 0, 0);
  expect_integer(node, "qk_output", 0, 0);
  for (std::size_t i = 7; i < node.inputs.size(); ++i) {
    if (i != 10) expect_omitted(node, i, fmt::format("input {}", i));
  }
  const Heads heads = {integer(node, "num_heads", 0), integer(node, "kv_num_heads", 0)};
  if (heads.keys < 1 || heads.queries % heads.keys != 0) {
    fail("{} heads of queries for {} of keys", heads.queries, heads.keys);
  }
  if (input(node, 1) == kNoValue || input(node, 2) == kNoValue) fail("packed queries are not covered here");
  const ValueId bias = input(node, 10);
  if (bias == kNoValue) fail("without attention_bias it is not covered here");
  expect_all_keys(to, node);

  GraphBuilder& builder = to.builder();
  const ValueId mask = causal(to, bias);
  const ValueId keys = grown(to, output(node, 1), input(node, 3), input(node, 1), heads.keys);
  const ValueId values = grown(to, output(node, 2), input(node, 4), input(node, 2), heads.keys);
  // Scaling q instead of the scores keeps the products small, which half precision needs.
  const ValueId scaled = to.op("Mul", {input(node, 0), to.scalar(scale_of(to, node), input(node, 0))});
  // Heads that share a key stand under each other, as rows of one matrix: nothing is repeated.
  const bool grouped = heads.queries != heads.keys;
  const ValueId joined_shape = builder.constant({0, heads.keys, -1, 0});
  const ValueId apart_shape = builder.constant({0, heads.queries, -1, 0});
  const auto joined = [&](ValueId x) { return grouped ? to.op("Reshape", {x, joined_shape}) : x; };
  const auto apart = [&](ValueId x) { return grouped ? to.op("Reshape", {x, apart_shape}) : x; };

  const ValueId query = joined(by_head(to, scaled, heads.queries));
  const ValueId key = to.op("Transpose", {keys}, {{"perm", std::vector<std::int64_t>{0, 1, 3, 2}}});
  ValueId scores = apart(to.op("MatMul", {query, key}));
  if (const float cap = real(node, "softcap", 0.0F); cap > 0.0F) {
    const ValueId limit = to.scalar(cap, scores);
    scores = to.op("Mul", {to.op("Tanh", {to.op("Div", {scores, limit})}), limit});
  }
  const ValueId weights = to.op("Softmax", {to.op("Add", {scores, mask})}, {{"axis", std::int64_t{-1}}});
  const ValueId mixed = apart(to.op("MatMul", {joined(weights), values}));
  const ValueId rows = to.op("Transpose", {mixed}, {{"perm", std::vector<std::int64_t>{0, 2, 1, 3}}});
  to.write(output(node, 0), "Reshape", {rows, builder.constant({0, 0, -1})});
}

}  // namespace bantam

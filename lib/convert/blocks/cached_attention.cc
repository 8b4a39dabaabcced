#include "convert/blocks/cached_attention.h"

#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

ValueId turned(const Module& module, DecoderInputs& inputs, ValueId x, std::int64_t heads,
               const CachedAttention& attention) {
  if (attention.rope == nullptr) return x;
  const DecoderInputs::Turns turns = inputs.turns(*attention.rope);
  std::vector<Attribute> attributes = {{"num_heads", heads}};
  // Without it the operator takes the head's size from the tables.
  if (attention.rope->width() != attention.size)
    attributes.push_back({"rotary_embedding_dim", attention.rope->width()});
  return module.op("RotaryEmbedding", {x, turns.rows, turns.cos, turns.sin}, std::move(attributes),
                   DType::kUndefined, kMicrosoft);
}

void output_cache(GraphBuilder& builder, ValueId value, const CachedAttention& attention,
                  std::string_view what) {
  builder.output(value, fmt::format("present.{}.{}", attention.layer, what),
                 {Dim::named("batch_size"), Dim::fixed(attention.kv_heads),
                  Dim::named("past_sequence_length + sequence_length"), Dim::fixed(attention.size)});
  builder.graph().value(value).precision = Precision::kFollow;
}

}  // namespace

ValueId attend_cached(const Module& module, DecoderInputs& inputs, ValueId q, ValueId k, ValueId v,
                      const CachedAttention& attention) {
  const auto split = [&](ValueId rows, std::int64_t heads) {
    return module.op("Reshape", {rows, inputs.shape({heads * attention.size})});
  };
  const ValueId query = turned(module, inputs, split(q, attention.heads), attention.heads, attention);
  const ValueId key = turned(module, inputs, split(k, attention.kv_heads), attention.kv_heads, attention);
  const ValueId value = split(v, attention.kv_heads);
  const CacheInputs past = inputs.cache(attention.layer, attention.kv_heads, attention.size);
  const double plain = 1.0 / std::sqrt(static_cast<double>(attention.size));
  const double scale = attention.scale > 0 ? attention.scale : plain;
  const std::vector<ValueId> outputs =
      module.op_some("GroupQueryAttention",
                     {query, key, value, past.key, past.value, inputs.last_key(), inputs.total_length(),
                      kNoValue, kNoValue, kNoValue, inputs.bias(attention.window)},
                     {true, true, true},
                     {{"num_heads", attention.heads},
                      {"kv_num_heads", attention.kv_heads},
                      {"scale", static_cast<float>(scale)}},
                     kMicrosoft);
  GraphBuilder& builder = module.builder();
  output_cache(builder, outputs[1], attention, "key");
  output_cache(builder, outputs[2], attention, "value");
  return module.op("Reshape", {outputs[0], builder.constant({-1, attention.heads * attention.size})});
}

}  // namespace bantam

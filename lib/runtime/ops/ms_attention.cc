// MultiHeadAttention and GroupQueryAttention of com.microsoft.
#include <cmath>
#include <limits>

#include "runtime/kernels/attention.h"
#include "runtime/ops/common.h"
#include "runtime/ops/kv_cache.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/rotary.h"

namespace bantam {
namespace {

struct MultiHead {
  std::int64_t heads;
  float scale;  // 0: 1 / sqrt(head size)
  float filter;
  bool causal;
};

// Query, key and value of MultiHeadAttention in whatever layout they come.
struct Sides {
  std::int64_t batch, queries, keys, head_size, value_size;
  HeadsView q, k, v;
};

Sides sides_of(OpRun& run, std::int64_t heads) {
  const Tensor& query = run.input(0);
  const float* q = query.data<float>().data();
  const auto expect_heads = [&](const Tensor& x, std::int64_t parts) {
    expect_shape(x, {x.dim(0), x.dim(1), heads, parts, x.dim(4)}, "a packed input");
  };
  if (query.rank() == 5) {  // [batch, rows, heads, 3, size]
    expect_heads(query, 3);
    const std::int64_t rows = query.dim(1), size = query.dim(4);
    const HeadsView all = {q, rows * heads * 3 * size, 3 * size, heads * 3 * size};
    Sides sides = {query.dim(0), rows, rows, size, size, all, all, all};
    sides.k.data += size;
    sides.v.data += 2 * size;
    return sides;
  }
  expect_rank(query, 3, "the query");
  if (query.dim(2) % heads != 0) fail("{} columns for {} heads", query.dim(2), heads);
  const std::int64_t size = query.dim(2) / heads;
  Sides sides = {query.dim(0), query.dim(1), 0, size, size, rows_first(q, heads, query.dim(1), size), {}, {}};
  const Tensor& key = run.input(1);
  const float* k = key.data<float>().data();
  if (key.rank() == 5) {  // [batch, rows, heads, 2, size]
    expect_heads(key, 2);
    sides.keys = key.dim(1);
    expect_shape(key, {sides.batch, sides.keys, heads, 2, size}, "the packed key and value");
    sides.k = {k, sides.keys * heads * 2 * size, 2 * size, heads * 2 * size};
    sides.v = sides.k;
    sides.v.data += size;
    return sides;
  }
  const Tensor& value = run.input(2);
  const float* v = value.data<float>().data();
  if (key.rank() == 4) {  // [batch, heads, rows, size]
    sides.keys = key.dim(2);
    expect_shape(key, {sides.batch, heads, sides.keys, size}, "the key");
    expect_rank(value, 4, "the value");
    sides.value_size = value.dim(3);
    expect_shape(value, {sides.batch, heads, sides.keys, sides.value_size}, "the value");
    sides.k = heads_first(k, heads, sides.keys, size);
    sides.v = heads_first(v, heads, sides.keys, sides.value_size);
    return sides;
  }
  expect_rank(key, 3, "the key");
  sides.keys = key.dim(1);
  expect_shape(key, {sides.batch, sides.keys, heads * size}, "the key");
  expect_rank(value, 3, "the value");
  if (value.dim(2) % heads != 0) fail("the value has {} columns for {} heads", value.dim(2), heads);
  sides.value_size = value.dim(2) / heads;
  expect_shape(value, {sides.batch, sides.keys, heads * sides.value_size}, "the value");
  sides.k = rows_first(k, heads, sides.keys, size);
  sides.v = rows_first(v, heads, sides.keys, sides.value_size);
  return sides;
}

// view + bias as a new [batch, rows, heads * size] tensor.
Tensor add_bias(OpRun& run, const HeadsView& view, const float* bias, std::int64_t batch, std::int64_t heads,
                std::int64_t rows, std::int64_t size) {
  Tensor sum = run.scratch(DType::kF32, {batch, rows, heads * size});
  float* out = sum.mutable_data<float>().data();
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const float* from = view.at(b, h, r);
        for (std::int64_t i = 0; i < size; ++i) *out++ = from[i] + bias[h * size + i];
      }
    }
  }
  return sum;
}

// The key padding mask as part of the attention: lengths, or an additive bias of `filter` where the mask is
// 0.
Tensor padding_bias(OpRun& run, const Tensor& mask, Attention& a, float filter, const Tensor* bias) {
  const std::vector<std::int64_t> values = to_integers(mask);
  const std::int64_t total = a.keys;
  const bool per_query = mask.rank() == 3;
  if (mask.rank() == 1 && std::ssize(values) != a.batch)
    fail("a key padding mask of shape {} is not supported", to_string(mask.shape()));
  if (mask.rank() == 2) expect_shape(mask, {a.batch, total}, "the key padding mask");
  if (per_query) expect_shape(mask, {a.batch, a.queries, total}, "the key padding mask");
  if (mask.rank() > 3 || mask.rank() < 1)
    fail("a key padding mask of shape {} is not supported", to_string(mask.shape()));
  if (bias != nullptr) set_bias(a, *bias);
  const std::int64_t heads = bias != nullptr && a.bias_strides[1] != 0 ? a.heads : 1;
  const std::int64_t rows = per_query || (bias != nullptr && a.bias_strides[2] != 0) ? a.queries : 1;
  Tensor sum = run.scratch(DType::kF32, {a.batch, heads, rows, total});
  float* out = sum.mutable_data<float>().data();
  for (std::int64_t b = 0; b < a.batch; ++b) {
    for (std::int64_t line = 0; line < heads * rows; ++line) {
      const std::int64_t h = line / rows, i = line % rows;
      for (std::int64_t j = 0; j < total; ++j) {
        const bool visible = mask.rank() == 1 ? j < values[static_cast<std::size_t>(b)]
                             : mask.rank() == 2
                                 ? values[static_cast<std::size_t>(b * total + j)] != 0
                                 : values[static_cast<std::size_t>((b * a.queries + i) * total + j)] != 0;
        const std::int64_t* s = a.bias_strides;
        *out++ = (visible ? 0.0f : filter) +
                 (bias != nullptr ? a.bias[b * s[0] + h * s[1] + i * s[2] + j * s[3]] : 0.0f);
      }
    }
  }
  return sum;
}

void multi_head_attention(OpRun& run, const MultiHead& settings, const Kernels& table) {
  const std::int64_t heads = settings.heads;
  Sides sides = sides_of(run, heads);
  std::vector<Tensor> biased;
  if (const Tensor* bias = run.optional_input(3)) {
    const std::int64_t width = heads * sides.head_size;
    expect_shape(*bias, {2 * width + heads * sides.value_size}, "the bias");
    const float* values = bias->data<float>().data();
    biased.push_back(add_bias(run, sides.q, values, sides.batch, heads, sides.queries, sides.head_size));
    biased.push_back(add_bias(run, sides.k, values + width, sides.batch, heads, sides.keys, sides.head_size));
    biased.push_back(
        add_bias(run, sides.v, values + 2 * width, sides.batch, heads, sides.keys, sides.value_size));
    sides.q = rows_first(biased[0].data<float>().data(), heads, sides.queries, sides.head_size);
    sides.k = rows_first(biased[1].data<float>().data(), heads, sides.keys, sides.head_size);
    sides.v = rows_first(biased[2].data<float>().data(), heads, sides.keys, sides.value_size);
  }
  Attention a;
  a.batch = sides.batch;
  a.heads = a.kv_heads = heads;
  a.queries = sides.queries;
  a.keys = sides.keys;
  a.head_size = sides.head_size;
  a.value_size = sides.value_size;
  a.q = sides.q;
  a.k = sides.k;
  a.v = sides.v;
  const Tensor* past_key = run.optional_input(6);
  const Tensor* past_value = run.optional_input(7);
  if ((past_key == nullptr) != (past_value == nullptr)) fail("past_key and past_value belong together");
  if (past_key != nullptr || run.wants(1) || run.wants(2)) {
    a.k = append_to_cache(run, 1, past_key, sides.k, a.batch, heads, sides.keys, sides.head_size);
    a.v = append_to_cache(run, 2, past_value, sides.v, a.batch, heads, sides.keys, sides.value_size);
    const std::int64_t past = past_key != nullptr ? past_key->dim(2) : 0;
    if (past_value != nullptr && past_value->dim(2) != past)
      fail("a past of {} keys and {} values", past, past_value->dim(2));
    a.keys += past;
    a.offsets.assign(static_cast<std::size_t>(a.batch), past);
  }
  a.scale = settings.scale > 0 ? settings.scale : 1.0f / std::sqrt(static_cast<float>(a.head_size));
  a.causal = settings.causal;
  Tensor summed;
  if (const Tensor* mask = run.optional_input(4)) {
    summed = padding_bias(run, *mask, a, settings.filter, run.optional_input(5));
    set_bias(a, summed);
  } else if (const Tensor* bias = run.optional_input(5)) {
    set_bias(a, *bias);
  }
  if (run.wants(3)) {
    a.captured = run.output(3, DType::kF32, {a.batch, heads, a.queries, a.keys}).mutable_data<float>().data();
    a.capture = Attention::Capture::kScores;
  }
  const float* out =
      run.output(0, DType::kF32, {a.batch, a.queries, heads * a.value_size}).data<float>().data();
  a.out = rows_first(out, heads, a.queries, a.value_size);
  attend(a, table, run.memory(), run.pool());
}

RunFn make_multi_head(OpNode& node) {
  node.expect_inputs(1, 10);
  node.expect_outputs(1, 4);
  if (node.has_input(8) || node.has_input(9)) fail("shared past buffers and beams are not supported");
  const MultiHead settings = {node.integer("num_heads"), node.real("scale", 0.0f),
                              node.real("mask_filter_value", -10000.0f), node.flag("unidirectional", false)};
  if (settings.heads < 1 || settings.heads > INT32_MAX) fail("num_heads is {}", settings.heads);
  return [=, &table = node.kernels()](OpRun& run) { multi_head_attention(run, settings, table); };
}

struct GroupQuery {
  std::int64_t heads, kv_heads;
  float scale, softcap;
  std::int64_t window;
  bool rotary, interleaved, smooth, causal;
  std::int64_t capture;  // 0: none, 1: before, 2: after softmax
};

// Rotates `heads` heads of every row of `view` into a new [batch, rows, heads * size] tensor.
template <typename Position>
Tensor rotated(OpRun& run, const HeadsView& view, std::int64_t batch, std::int64_t heads, std::int64_t rows,
               std::int64_t size, const Rotary& rotary, const Position& position) {
  Tensor turned = run.scratch(DType::kF32, {batch, rows, heads * size});
  float* out = turned.mutable_data<float>().data();
  run.pool().run(batch * rows, [&](std::int64_t item, int) {
    for (std::int64_t h = 0; h < heads; ++h) {
      rotate(rotary, position(item / rows, item % rows), view.at(item / rows, h, item % rows),
             out + (item * heads + h) * size, size);
    }
  });
  return turned;
}

// The cache of one side: [batch, kv_heads, buffer, size] where each batch entry holds its own number of valid
// rows.
HeadsView fill_cache(OpRun& run, int index, const Tensor* past, const HeadsView& rows, const Attention& a,
                     std::int64_t buffer) {
  const std::int64_t size = a.head_size;
  const std::int64_t old_rows = past != nullptr ? past->dim(2) : 0;
  if (past != nullptr) expect_shape(*past, {a.batch, a.kv_heads, old_rows, size}, "the past");
  float* out =
      run.output(index, DType::kF32, {a.batch, a.kv_heads, buffer, size}).mutable_data<float>().data();
  const float* old = past != nullptr ? past->data<float>().data() : nullptr;
  run.pool().run(a.batch * a.kv_heads, [&](std::int64_t item, int) {
    const std::int64_t b = item / a.kv_heads;
    const std::int64_t before = a.offsets[static_cast<std::size_t>(b)];
    float* to = out + item * buffer * size;
    const std::int64_t kept = old != nullptr ? std::min(before, old_rows) : 0;
    if (kept > 0) std::copy_n(old + item * old_rows * size, kept * size, to);
    std::fill_n(to + kept * size, (before - kept) * size, 0.0f);
    const std::int64_t end = std::min(before + a.queries, buffer);
    for (std::int64_t r = 0; before + r < end; ++r) {
      std::copy_n(rows.at(b, item % a.kv_heads, r), size, to + (before + r) * size);
    }
    std::fill_n(to + end * size, (buffer - end) * size, 0.0f);
  });
  return heads_first(out, a.kv_heads, buffer, size);
}

void group_query_attention(OpRun& run, const GroupQuery& settings, const Kernels& table) {
  const Tensor& query = run.input(0);
  expect_rank(query, 3, "the query");
  Attention a;
  a.batch = query.dim(0);
  a.heads = settings.heads;
  a.kv_heads = settings.kv_heads;
  a.queries = query.dim(1);
  const bool packed = !run.has_input(1);
  const std::int64_t columns = packed ? a.heads + 2 * a.kv_heads : a.heads;
  if (query.dim(2) % columns != 0) fail("{} columns for {} heads", query.dim(2), columns);
  a.head_size = a.value_size = query.dim(2) / columns;
  const std::int64_t size = a.head_size;
  const float* q = query.data<float>().data();
  HeadsView new_k, new_v;
  if (packed) {
    a.q = {q, a.queries * columns * size, size, columns * size};
    new_k = new_v = a.q;
    new_k.data += a.heads * size;
    new_v.data += (a.heads + a.kv_heads) * size;
  } else {
    expect_shape(run.input(1), {a.batch, a.queries, a.kv_heads * size}, "the key");
    expect_shape(run.input(2), {a.batch, a.queries, a.kv_heads * size}, "the value");
    a.q = rows_first(q, a.heads, a.queries, size);
    new_k = rows_first(run.input(1).data<float>().data(), a.kv_heads, a.queries, size);
    new_v = rows_first(run.input(2).data<float>().data(), a.kv_heads, a.queries, size);
  }
  const Tensor* past_key = run.optional_input(3);
  const Tensor* past_value = run.optional_input(4);
  if ((past_key == nullptr) != (past_value == nullptr)) fail("past_key and past_value belong together");
  if (past_key != nullptr) expect_rank(*past_key, 4, "past_key");
  if (past_value != nullptr) expect_shape(*past_value, past_key->shape(), "past_value");
  const std::int64_t old_rows = past_key != nullptr ? past_key->dim(2) : 0;
  const std::int64_t total = to_integer(run.input(6));
  const std::vector<std::int64_t> lengths = to_integers(run.input(5));
  if (std::ssize(lengths) != a.batch)
    fail("{} entries of seqlens_k for a batch of {}", lengths.size(), a.batch);
  if (total < a.queries || total > INT32_MAX)
    fail("total_sequence_length {} with {} queries", total, a.queries);
  const bool prompt = total == a.queries;  // nothing has been cached before
  for (const std::int64_t length : lengths) {
    const std::int64_t valid = length + 1;
    const std::int64_t past = prompt ? 0 : valid - a.queries;
    if (valid < 1 || valid > total || past < 0 || past > old_rows) {
      fail("seqlens_k {} with {} queries, a past of {} and a total of {}", length, a.queries, old_rows,
           total);
    }
    a.offsets.push_back(past);
    a.valid_keys.push_back(prompt ? a.queries : valid);
  }
  std::vector<Tensor> turned;
  if (settings.rotary) {
    const Tensor& cos = run.input(7);
    expect_rank(cos, 2, "cos_cache");
    expect_shape(run.input(8), cos.shape(), "sin_cache");
    const Rotary rotary = {cos.data<float>().data(), run.input(8).data<float>().data(), cos.dim(0),
                           2 * cos.dim(1), settings.interleaved};
    if (rotary.size > size) fail("tables of {} columns for heads of {}", cos.dim(1), size);
    const Tensor* ids = run.optional_input(9);
    if (ids != nullptr) expect_shape(*ids, {a.batch, a.queries}, "position_ids");
    if (ids != nullptr && prompt && ids->count() > 0) {
      const std::int64_t first = ids->data<std::int64_t>()[0];
      if (first < 0 || first > rotary.positions)
        fail("position {} where the tables have {}", first, rotary.positions);
    }
    const auto position = [&](std::int64_t b, std::int64_t r) {
      if (ids == nullptr) return a.offsets[static_cast<std::size_t>(b)] + r;
      // "When processing the first prompt the kernel uses only the first element", says the operator's text.
      const auto all = ids->data<std::int64_t>();
      return prompt ? all[0] + r : all[static_cast<std::size_t>(b * a.queries + r)];
    };
    turned.push_back(rotated(run, a.q, a.batch, a.heads, a.queries, size, rotary, position));
    turned.push_back(rotated(run, new_k, a.batch, a.kv_heads, a.queries, size, rotary, position));
    a.q = rows_first(turned[0].data<float>().data(), a.heads, a.queries, size);
    new_k = rows_first(turned[1].data<float>().data(), a.kv_heads, a.queries, size);
  }
  const std::int64_t buffer = std::max(old_rows, total);
  a.k = fill_cache(run, 1, past_key, new_k, a, buffer);
  a.v = fill_cache(run, 2, past_value, new_v, a, buffer);
  a.keys = total;
  a.scale = settings.scale > 0 ? settings.scale : 1.0f / std::sqrt(static_cast<float>(size));
  a.softcap = settings.softcap;
  a.causal = settings.causal;
  if (settings.window > 0) a.left = settings.window - 1;
  if (const Tensor* bias = run.optional_input(10)) set_bias(a, *bias);
  std::vector<float> sinks(static_cast<std::size_t>(a.heads), 0.0f);
  if (const Tensor* sink = run.optional_input(11)) {
    expect_shape(*sink, {a.heads}, "head_sink");
    a.sinks = sink->data<float>().data();
  } else if (settings.smooth) {
    a.sinks = sinks.data();
  }
  if (settings.capture != 0 && run.wants(3)) {
    a.captured =
        run.output(3, DType::kF32, {a.batch, a.heads, a.queries, total}).mutable_data<float>().data();
    a.capture = settings.capture == 1 ? Attention::Capture::kBiased : Attention::Capture::kProbabilities;
  }
  const float* out = run.output(0, DType::kF32, {a.batch, a.queries, a.heads * size}).data<float>().data();
  a.out = rows_first(out, a.heads, a.queries, size);
  attend(a, table, run.memory(), run.pool());
}

RunFn make_group_query(OpNode& node) {
  node.expect_inputs(1, 16);  // key and value may be packed into the query
  if (node.has_input(1) != node.has_input(2)) fail("key and value belong together");
  if (!node.has_input(0) || !node.has_input(5) || !node.has_input(6))
    fail("query, seqlens_k and total_sequence_length are needed");
  node.expect_outputs(1, 4);
  for (int i = 12; i < 16; ++i) {
    if (node.has_input(i)) fail("input {} (quantized caches, normalized heads) is not supported", i);
  }
  for (const char* name : {"k_quant_type", "v_quant_type"}) {
    if (node.text(name, "NONE") != "NONE") fail("{} is not supported", name);
  }
  node.ignore("kv_cache_bit_width");
  node.ignore("qk_norm_epsilon");
  if (node.flag("sliding_window_cache", false)) fail("sliding_window_cache is not supported");
  GroupQuery settings = {node.integer("num_heads"),
                         node.integer("kv_num_heads"),
                         node.real("scale", 0.0f),
                         node.real("softcap", 0.0f),
                         node.integer("local_window_size", -1),
                         node.flag("do_rotary", false),
                         node.flag("rotary_interleaved", false),
                         node.integer("smooth_softmax", 0) > 0,
                         node.flag("causal", true),
                         node.integer("qk_output", 0)};
  if (settings.kv_heads < 1 || settings.heads < 1 || settings.heads > INT32_MAX ||
      settings.heads % settings.kv_heads != 0) {
    fail("{} heads with {} key and value heads", settings.heads, settings.kv_heads);
  }
  if (settings.rotary && (!node.has_input(7) || !node.has_input(8)))
    fail("do_rotary without cos_cache and sin_cache");
  if (settings.capture < 0 || settings.capture > 2) fail("qk_output {} is not known", settings.capture);
  return [=, &table = node.kernels()](OpRun& run) { group_query_attention(run, settings, table); };
}

}  // namespace

std::span<const OpDef> ms_attention_ops() {
  static constexpr OpDef kOps[] = {
      {"com.microsoft", "GroupQueryAttention", 1, make_group_query},
      {"com.microsoft", "MultiHeadAttention", 1, make_multi_head},
  };
  return kOps;
}

}  // namespace bantam

// Attention of opsets 23 to 26.
#include <cmath>
#include <limits>

#include "runtime/kernels/attention.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/kv_cache.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Settings {
  std::int64_t q_heads, kv_heads, capture;
  float scale;  // 0: 1 / sqrt(head size)
  float softcap;
  bool causal;
  std::int64_t left, right;
};

struct Side {
  std::int64_t batch, heads, rows, size;
  HeadsView view;
};

Side side_of(const Tensor& x, std::int64_t heads, std::string_view what) {
  const float* data = x.data<float>().data();
  if (x.rank() == 4)
    return {x.dim(0), x.dim(1), x.dim(2), x.dim(3), heads_first(data, x.dim(1), x.dim(2), x.dim(3))};
  expect_rank(x, 3, what);
  if (heads < 1 || x.dim(2) % heads != 0) fail("{} has {} columns for {} heads", what, x.dim(2), heads);
  const std::int64_t size = x.dim(2) / heads;
  return {x.dim(0), heads, x.dim(1), size, rows_first(data, heads, x.dim(1), size)};
}

// A bool or float mask as an additive bias whose last axis covers all keys.
Tensor bias_of(const Tensor& mask, std::int64_t keys, OpRun& run) {
  if (mask.rank() < 1) fail("a mask without axes");
  const std::int64_t width = mask.shape().back();
  const bool plain = mask.dtype() == DType::kF32 && (width == keys || width == 1);
  if (plain) return mask;
  if (width > keys) fail("a mask of shape {} for {} keys", to_string(mask.shape()), keys);
  Shape shape = mask.shape();
  const std::int64_t padded = width == 1 ? 1 : keys;
  shape.back() = padded;
  Tensor bias = run.scratch(DType::kF32, shape);
  float* out = bias.mutable_data<float>().data();
  for (std::int64_t row = 0; row * padded < bias.count(); ++row) {
    for (std::int64_t j = 0; j < padded; ++j) {
      float value = kNothing;
      if (j < width && mask.dtype() == DType::kBool) {
        value = mask.data<std::uint8_t>()[static_cast<std::size_t>(row * width + j)] != 0 ? 0.0f : kNothing;
      } else if (j < width) {
        value = mask.data<float>()[static_cast<std::size_t>(row * width + j)];
      }
      out[row * padded + j] = value;
    }
  }
  return bias;
}

void run_attention(OpRun& run, const Settings& settings, const Kernels& table) {
  const Side q = side_of(run.input(0), settings.q_heads, "Q");
  const Side k = side_of(run.input(1), settings.kv_heads, "K");
  const Side v = side_of(run.input(2), settings.kv_heads, "V");
  const bool fits = k.batch == q.batch && v.batch == q.batch && k.heads == v.heads && k.rows == v.rows &&
                    k.size == q.size && k.heads > 0 && q.heads % k.heads == 0;
  if (!fits) {
    fail("Q {}, K {} and V {} do not fit each other", to_string(run.input(0).shape()),
         to_string(run.input(1).shape()), to_string(run.input(2).shape()));
  }
  Attention a;
  a.batch = q.batch;
  a.heads = q.heads;
  a.kv_heads = k.heads;
  a.queries = q.rows;
  a.head_size = q.size;
  a.value_size = v.size;
  a.keys = k.rows;
  a.q = q.view;
  a.k = k.view;
  a.v = v.view;
  const Tensor* past_key = run.optional_input(4);
  const Tensor* past_value = run.optional_input(5);
  if ((past_key == nullptr) != (past_value == nullptr)) fail("past_key and past_value belong together");
  if (past_key != nullptr || run.wants(1) || run.wants(2)) {
    a.k = append_to_cache(run, 1, past_key, k.view, k.batch, k.heads, k.rows, k.size);
    a.v = append_to_cache(run, 2, past_value, v.view, v.batch, v.heads, v.rows, v.size);
    if (past_key != nullptr) {
      if (past_value->dim(2) != past_key->dim(2))
        fail("a past of {} keys and {} values", past_key->dim(2), past_value->dim(2));
      a.keys += past_key->dim(2);
      a.offsets.assign(static_cast<std::size_t>(a.batch), past_key->dim(2));
    }
  }
  if (const Tensor* valid = run.optional_input(6)) {
    if (past_key != nullptr) fail("nonpad_kv_seqlen and a past exclude each other");
    a.valid_keys = to_integers(*valid);
    if (std::ssize(a.valid_keys) != a.batch)
      fail("{} lengths for a batch of {}", a.valid_keys.size(), a.batch);
    for (const std::int64_t length : a.valid_keys) {
      if (length < 0 || length > a.keys) fail("length {} of {} keys", length, a.keys);
      a.offsets.push_back(length - a.queries);
    }
  }
  Tensor bias;
  if (const Tensor* mask = run.optional_input(3)) {
    bias = bias_of(*mask, a.keys, run);
    set_bias(a, bias);
  }
  a.scale = settings.scale > 0 ? settings.scale : 1.0f / std::sqrt(static_cast<float>(q.size));
  a.softcap = settings.softcap;
  a.causal = settings.causal;
  a.left = settings.left;
  a.right = settings.right;
  if (run.wants(3)) {
    a.captured =
        run.output(3, DType::kF32, {a.batch, a.heads, a.queries, a.keys}).mutable_data<float>().data();
    a.capture = static_cast<Attention::Capture>(settings.capture);
  }
  const bool rows = run.input(0).rank() == 3;
  Shape shape = rows ? Shape{a.batch, a.queries, a.heads * a.value_size}
                     : Shape{a.batch, a.heads, a.queries, a.value_size};
  const float* out = run.output(0, DType::kF32, std::move(shape)).data<float>().data();
  a.out = rows ? rows_first(out, a.heads, a.queries, a.value_size)
               : heads_first(out, a.heads, a.queries, a.value_size);
  attend(a, table, run.memory(), run.pool());
}

RunFn make_attention(OpNode& node) {
  node.expect_inputs(3, node.opset() >= 24 ? 7 : 6);
  node.expect_outputs(1, 4);
  Settings settings = {node.integer("q_num_heads", 0),
                       node.integer("kv_num_heads", 0),
                       node.integer("qk_matmul_output_mode", 0),
                       node.real("scale", 0.0f),
                       node.real("softcap", 0.0f),
                       node.flag("is_causal", false),
                       -1,
                       -1};
  if (settings.capture < 0 || settings.capture > 3)
    fail("qk_matmul_output_mode {} is not known", settings.capture);
  node.ignore("softmax_precision");  // always float32 here
  if (node.opset() >= 25) {
    settings.left = node.integer("left_window_size", -1);
    settings.right = node.integer("right_window_size", -1);
    if (settings.left < -1 || settings.right < -1 || settings.left > INT32_MAX ||
        settings.right > INT32_MAX) {
      fail("a window from {} to {}", settings.left, settings.right);
    }
  }
  return [=, &table = node.kernels()](OpRun& run) { run_attention(run, settings, table); };
}

}  // namespace

std::span<const OpDef> attention_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Attention", 23, make_attention},
  };
  return kOps;
}

}  // namespace bantam

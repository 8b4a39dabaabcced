// The recurrent blocks of hybrid decoders: LinearAttention (gated delta rule and its simpler forms) and
// CausalConvWithState, of opset 27 and of com.microsoft.
#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

struct Settings {
  std::int64_t q_heads, kv_heads;
  float scale;  // 0: 1 / sqrt(head size)
  bool gated, delta;
};

// [batch, rows, heads * size] seen as rows of one head.
const float* row_of(const float* data, std::int64_t b, std::int64_t t, std::int64_t rows,
                    std::int64_t width) {
  return data + (b * rows + t) * width;
}

struct Inputs {
  std::int64_t batch, rows, key_size, value_size;
  const float *q, *k, *v;
  const float* decay = nullptr;  // [batch, rows, kv_heads * decay_size]
  std::int64_t decay_size = 0;   // 1 or key_size
  const float* beta = nullptr;   // [batch, rows, beta_heads]
  std::int64_t beta_heads = 0;   // 1 or kv_heads
};

Inputs read_inputs(OpRun& run, const Settings& settings) {
  const Tensor& q = run.input(0);
  const Tensor& k = run.input(1);
  const Tensor& v = run.input(2);
  for (const Tensor* tensor : {&q, &k, &v}) expect_rank(*tensor, 3, "an input");
  if (q.dim(2) % settings.q_heads != 0 || v.dim(2) % settings.kv_heads != 0) {
    fail("{} and {} columns for {} and {} heads", q.dim(2), v.dim(2), settings.q_heads, settings.kv_heads);
  }
  Inputs in = {q.dim(0),
               q.dim(1),
               q.dim(2) / settings.q_heads,
               v.dim(2) / settings.kv_heads,
               q.data<float>().data(),
               k.data<float>().data(),
               v.data<float>().data()};
  expect_shape(k, {in.batch, in.rows, settings.kv_heads * in.key_size}, "key");
  expect_shape(v, {in.batch, in.rows, settings.kv_heads * in.value_size}, "value");
  if (settings.gated) {
    const Tensor& decay = run.input(4);
    expect_rank(decay, 3, "decay");
    in.decay_size = decay.dim(2) == settings.kv_heads ? 1 : in.key_size;
    expect_shape(decay, {in.batch, in.rows, settings.kv_heads * in.decay_size}, "decay");
    in.decay = decay.data<float>().data();
  }
  if (settings.delta) {
    const Tensor& beta = run.input(5);
    expect_rank(beta, 3, "beta");
    in.beta_heads = beta.dim(2) == 1 ? 1 : settings.kv_heads;
    expect_shape(beta, {in.batch, in.rows, in.beta_heads}, "beta");
    in.beta = beta.data<float>().data();
  }
  return in;
}

// One token for one head: state = exp(g) * state, then += k (x) u with u = v, or beta * (v - state' k).
void step(const Inputs& in, const Settings& settings, std::int64_t b, std::int64_t h, std::int64_t t,
          float* state, float* update) {
  const std::int64_t heads = settings.kv_heads;
  const float* k = row_of(in.k, b, t, in.rows, heads * in.key_size) + h * in.key_size;
  const float* v = row_of(in.v, b, t, in.rows, heads * in.value_size) + h * in.value_size;
  if (settings.gated) {
    const float* g = row_of(in.decay, b, t, in.rows, heads * in.decay_size) + h * in.decay_size;
    for (std::int64_t d = 0; d < in.key_size; ++d) {
      const float factor = std::exp(g[in.decay_size == 1 ? 0 : d]);
      for (std::int64_t m = 0; m < in.value_size; ++m) state[d * in.value_size + m] *= factor;
    }
  }
  std::copy_n(v, in.value_size, update);
  if (settings.delta) {
    for (std::int64_t d = 0; d < in.key_size; ++d) {
      for (std::int64_t m = 0; m < in.value_size; ++m) update[m] -= state[d * in.value_size + m] * k[d];
    }
    const float beta = row_of(in.beta, b, t, in.rows, in.beta_heads)[in.beta_heads == 1 ? 0 : h];
    for (std::int64_t m = 0; m < in.value_size; ++m) update[m] *= beta;
  }
  for (std::int64_t d = 0; d < in.key_size; ++d) {
    for (std::int64_t m = 0; m < in.value_size; ++m) state[d * in.value_size + m] += k[d] * update[m];
  }
}

void linear_attention(OpRun& run, const Settings& settings) {
  const Inputs in = read_inputs(run, settings);
  const Shape state_shape = {in.batch, settings.kv_heads, in.key_size, in.value_size};
  const std::int64_t state_size = in.key_size * in.value_size;
  const float* past = nullptr;
  if (const Tensor* tensor = run.optional_input(3)) {
    expect_shape(*tensor, state_shape, "past_state");
    past = tensor->data<float>().data();
  }
  const std::int64_t out_width = settings.q_heads * in.value_size;
  float* out = run.output(0, DType::kF32, {in.batch, in.rows, out_width}).mutable_data<float>().data();
  float* states = run.output(1, DType::kF32, state_shape).mutable_data<float>().data();
  Tensor scratch = run.scratch(DType::kF32, {run.pool().threads(), in.value_size});
  float* updates = scratch.mutable_data<float>().data();
  const float scale =
      settings.scale != 0.0f ? settings.scale : 1.0f / std::sqrt(static_cast<float>(in.key_size));
  const std::int64_t group = settings.q_heads / settings.kv_heads;
  run.pool().run(in.batch * settings.kv_heads, [&](std::int64_t item, int worker) {
    const std::int64_t b = item / settings.kv_heads;
    const std::int64_t h = item % settings.kv_heads;
    float* state = states + item * state_size;
    if (past != nullptr) std::copy_n(past + item * state_size, state_size, state);
    if (past == nullptr) std::fill_n(state, state_size, 0.0f);
    for (std::int64_t t = 0; t < in.rows; ++t) {
      step(in, settings, b, h, t, state, updates + worker * in.value_size);
      for (std::int64_t head = h * group; head < (h + 1) * group; ++head) {
        const float* q = row_of(in.q, b, t, in.rows, settings.q_heads * in.key_size) + head * in.key_size;
        float* to = out + (b * in.rows + t) * out_width + head * in.value_size;
        std::fill_n(to, in.value_size, 0.0f);
        for (std::int64_t d = 0; d < in.key_size; ++d) {
          for (std::int64_t m = 0; m < in.value_size; ++m)
            to[m] += scale * q[d] * state[d * in.value_size + m];
        }
      }
    }
  });
}

void refuse_state_window(OpNode& node) {
  if (!node.node().domain.empty() && node.integer("state_window", 0) != 0)
    fail("state_window is not supported");
}

RunFn make_linear_attention(OpNode& node) {
  node.expect_inputs(3, 6);
  node.expect_outputs(1, 2);
  node.ignore("chunk_size");
  refuse_state_window(node);
  const std::string rule = node.text("update_rule", "gated_delta");
  if (rule != "linear" && rule != "gated" && rule != "delta" && rule != "gated_delta")
    fail("update_rule \"{}\" is not known", rule);
  const Settings settings = {node.integer("q_num_heads"), node.integer("kv_num_heads"),
                             node.real("scale", 0.0f), rule.starts_with("gated"), rule.ends_with("delta")};
  if (settings.kv_heads < 1 || settings.q_heads < 1 || settings.q_heads > INT32_MAX ||
      settings.q_heads % settings.kv_heads != 0) {
    fail("{} query heads with {} key heads", settings.q_heads, settings.kv_heads);
  }
  if (node.has_input(4) != settings.gated || node.has_input(5) != settings.delta)
    fail("decay and beta do not fit update_rule {}", rule);
  return [=](OpRun& run) { linear_attention(run, settings); };
}

RunFn make_causal_conv(OpNode& node) {
  node.expect_inputs(2, 4);
  node.expect_outputs(1, 2);
  const std::string activation = node.text("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    fail("activation \"{}\" is not known", activation);
  refuse_state_window(node);
  if (!node.node().domain.empty()) {
    if (node.integer("ndim", 1) != 1) fail("ndim other than 1 is not supported");
    if (node.integer("dilation", 1) != 1) fail("dilation is not supported");
    if (node.flag("channels_last", false)) fail("channels_last is not supported");
  }
  return [silu = activation != "none", &table = node.kernels()](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& w = run.input(1);
    expect_rank(x, 3, "the input");
    expect_rank(w, 3, "the weight");
    const std::int64_t channels = x.dim(1);
    const std::int64_t length = x.dim(2);
    const std::int64_t taps = w.dim(2);
    expect_shape(w, {channels, 1, taps}, "the weight");
    if (taps < 1) fail("a kernel of {}", taps);
    const Shape state_shape = {x.dim(0), channels, taps - 1};
    const Tensor* bias = run.optional_input(2);
    if (bias != nullptr) expect_shape(*bias, {channels}, "the bias");
    const Tensor* past = run.optional_input(3);
    if (past != nullptr) expect_shape(*past, state_shape, "past_state");
    const float* in = x.data<float>().data();
    const float* weight = w.data<float>().data();
    const float* old = past != nullptr ? past->data<float>().data() : nullptr;
    float* out = run.output(0, DType::kF32, x.shape()).mutable_data<float>().data();
    float* state = run.output(1, DType::kF32, state_shape).mutable_data<float>().data();
    run.pool().run(x.dim(0) * channels, [&](std::int64_t item, int) {
      const std::int64_t c = item % channels;
      // Position `at` of the past followed by the input.
      const auto value = [&](std::int64_t at) {
        if (at >= taps - 1) return in[item * length + at - (taps - 1)];
        return old != nullptr ? old[item * (taps - 1) + at] : 0.0f;
      };
      for (std::int64_t t = 0; t < length; ++t) {
        float sum = bias != nullptr ? bias->data<float>()[static_cast<std::size_t>(c)] : 0.0f;
        for (std::int64_t j = 0; j < taps; ++j) sum += weight[c * taps + j] * value(t + j);
        out[item * length + t] = sum;
      }
      for (std::int64_t j = 0; j < taps - 1; ++j) state[item * (taps - 1) + j] = value(length + j);
      if (silu) table.vector.activate(Activation::kSilu, out + item * length, out + item * length, length);
    });
  };
}

}  // namespace

std::span<const OpDef> linear_attention_ops() {
  static constexpr OpDef kOps[] = {
      {"", "CausalConvWithState", 27, make_causal_conv},
      {"", "LinearAttention", 27, make_linear_attention},
      {"com.microsoft", "CausalConvWithState", 1, make_causal_conv},
      {"com.microsoft", "LinearAttention", 1, make_linear_attention},
  };
  return kOps;
}

}  // namespace bantam

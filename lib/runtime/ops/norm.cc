// Normalizations over the last axes or over channels.
#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

// gain or shift over the normalized axes: a vector of `width` floats, or something that must be broadcast to
// it.
const float* vector_of(const Tensor* tensor, const Shape& normalized, OpRun& run, Tensor& storage) {
  if (tensor == nullptr) return nullptr;
  if (tensor->count() == element_count(normalized)) return tensor->data<float>().data();
  if (broadcast_shape(tensor->shape(), normalized) != normalized) {
    fail("a gain or shift of shape {} for axes of {}", to_string(tensor->shape()), to_string(normalized));
  }
  storage = run.scratch(DType::kF32, normalized);
  float* out = storage.mutable_data<float>().data();
  const float* in = tensor->data<float>().data();
  const Shape* shapes[] = {&tensor->shape()};
  const BroadcastWalk walk(shapes, normalized);
  walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) out[at + i] = in[offsets[0] + i * walk.inner_stride(0)];
  });
  return out;
}

struct LayerSettings {
  std::int64_t axis;
  float epsilon;
  bool center;
};

void layer_norm(OpRun& run, const LayerSettings& settings, const Kernels& kernels) {
  const Tensor& x = run.input(0);
  const int axis = checked_axis(settings.axis, x.rank());
  const Shape normalized(x.shape().begin() + axis, x.shape().end());
  const std::int64_t width = element_count(normalized);
  const std::int64_t rows = product(x.shape(), 0, axis);
  Tensor gain_storage, shift_storage;
  const float* gain = vector_of(run.optional_input(1), normalized, run, gain_storage);
  const float* shift =
      settings.center ? vector_of(run.optional_input(2), normalized, run, shift_storage) : nullptr;
  const float* in = x.data<float>().data();
  float* out = run.output(0, DType::kF32, x.shape()).mutable_data<float>().data();
  // Statistics are float32 whatever the input (stash_type 1); RMS norms have only the second.
  Shape kept = x.shape();
  std::fill(kept.begin() + axis, kept.end(), 1);
  float* mean = nullptr;
  float* inverse = nullptr;
  for (int i = 1; i < run.output_count(); ++i) {
    if (!run.wants(i)) continue;
    float* statistics = run.output(i, DType::kF32, kept).mutable_data<float>().data();
    run.keep_float32(i);
    (i == 1 && settings.center ? mean : inverse) = statistics;
  }
  if (x.count() == 0) return;
  parallel_pieces(run.pool(), rows, kElementGrain / 4 / width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      kernels.vector.normalize(in + r * width, gain, shift, settings.epsilon, settings.center,
                               out + r * width, width, mean != nullptr ? mean + r : nullptr,
                               inverse != nullptr ? inverse + r : nullptr);
    }
  });
}

void expect_float_stash(OpNode& node) {
  if (const std::int64_t type = node.integer("stash_type", 1); type != 1)
    fail("stash_type {} is not supported", type);
}

RunFn make_layer_norm(OpNode& node) {
  node.expect_inputs(2, 3);
  node.expect_outputs(1, 3);
  expect_float_stash(node);
  const LayerSettings settings = {node.integer("axis", -1), node.real("epsilon", 1e-5f), true};
  return [=, &table = node.kernels()](OpRun& run) { layer_norm(run, settings, table); };
}

RunFn make_rms_norm(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 2);
  expect_float_stash(node);
  const LayerSettings settings = {node.integer("axis", -1), node.real("epsilon", 1e-5f), false};
  return [=, &table = node.kernels()](OpRun& run) { layer_norm(run, settings, table); };
}

// out = (x - mean) / sqrt(variance + epsilon) * gain + shift with statistics per group of `channels`
// channels; gain and shift are per channel (`per_group`: per group).
struct GroupSettings {
  std::int64_t groups;  // 0: one per channel
  float epsilon;
  bool per_group;
};

void group_norm(OpRun& run, const GroupSettings& settings, const Kernels& kernels) {
  const Tensor& x = run.input(0);
  if (x.rank() < 2) fail("an input of rank {} where [batch, channels, ...] was expected", x.rank());
  const std::int64_t channels = x.dim(1);
  const std::int64_t groups = settings.groups == 0 ? channels : settings.groups;
  if (groups < 1 || channels % groups != 0) fail("{} channels in {} groups", channels, groups);
  const std::int64_t parameters = settings.per_group ? groups : channels;
  expect_shape(run.input(1), {parameters}, "scale");
  expect_shape(run.input(2), {parameters}, "bias");
  const float* gain = run.input(1).data<float>().data();
  const float* shift = run.input(2).data<float>().data();
  const float* in = x.data<float>().data();
  float* out = run.output(0, DType::kF32, x.shape()).mutable_data<float>().data();
  const std::int64_t per_group = channels / groups;
  const std::int64_t inner = product(x.shape(), 2, x.rank());
  run.pool().run(x.dim(0) * groups, [&](std::int64_t item, int) {
    const std::int64_t begin = item * per_group * inner;
    kernels.vector.normalize(in + begin, nullptr, nullptr, settings.epsilon, true, out + begin,
                             per_group * inner, nullptr, nullptr);
    for (std::int64_t c = 0; c < per_group; ++c) {
      const std::int64_t parameter = settings.per_group ? item % groups : item % groups * per_group + c;
      float* values = out + begin + c * inner;
      for (std::int64_t i = 0; i < inner; ++i) values[i] = values[i] * gain[parameter] + shift[parameter];
    }
  });
}

RunFn make_instance_norm(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  const GroupSettings settings = {0, node.real("epsilon", 1e-5f), false};
  return [=, &table = node.kernels()](OpRun& run) { group_norm(run, settings, table); };
}

template <bool kPerGroup>
RunFn make_group_norm(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  if (!kPerGroup) expect_float_stash(node);
  const GroupSettings settings = {node.integer("num_groups"), node.real("epsilon", 1e-5f), kPerGroup};
  if (settings.groups < 1) fail("num_groups is {}", settings.groups);
  return [=, &table = node.kernels()](OpRun& run) { group_norm(run, settings, table); };
}

// Mean and variance of one channel over batch and space.
void channel_statistics(const float* x, std::int64_t batch, std::int64_t stride, std::int64_t inner,
                        float& mean, float& variance) {
  double sum = 0;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t i = 0; i < inner; ++i) sum += x[b * stride + i];
  }
  const double count = static_cast<double>(batch * inner);
  double squares = 0;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t i = 0; i < inner; ++i)
      squares += (x[b * stride + i] - sum / count) * (x[b * stride + i] - sum / count);
  }
  mean = static_cast<float>(sum / count);
  variance = static_cast<float>(squares / count);
}

RunFn make_batch_norm(OpNode& node) {
  node.expect_inputs(5, 5);
  const bool training = node.opset() >= 14 && node.flag("training_mode", false);
  node.expect_outputs(1, training ? 3 : node.opset() < 14 ? 5 : 1);
  for (int i = 1; !training && i < node.output_count(); ++i) {
    if (node.has_output(i)) fail("training mode is not supported");
  }
  const float epsilon = node.real("epsilon", 1e-5f);
  const float momentum = node.real("momentum", 0.9f);
  if (node.opset() < 9 && !node.flag("spatial", true)) fail("spatial 0 is not supported");
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const std::int64_t channels = x.rank() > 1 ? x.dim(1) : 1;
    for (int i = 1; i < 5; ++i) expect_shape(run.input(i), {channels}, "a parameter");
    const float* gain = run.input(1).data<float>().data();
    const float* shift = run.input(2).data<float>().data();
    const float* old_mean = run.input(3).data<float>().data();
    const float* old_variance = run.input(4).data<float>().data();
    const float* in = x.data<float>().data();
    float* out = run.output(0, DType::kF32, x.shape()).mutable_data<float>().data();
    float* new_mean =
        run.wants(1) ? run.output(1, DType::kF32, {channels}).mutable_data<float>().data() : nullptr;
    float* new_variance =
        run.wants(2) ? run.output(2, DType::kF32, {channels}).mutable_data<float>().data() : nullptr;
    const std::int64_t batch = x.rank() > 0 ? x.dim(0) : 1;
    const std::int64_t inner = product(x.shape(), 2, std::max(x.rank(), 2));
    run.pool().run(channels, [&](std::int64_t c, int) {
      float mean = old_mean[c];
      float variance = old_variance[c];
      if (training) {
        channel_statistics(in + c * inner, batch, channels * inner, inner, mean, variance);
        if (new_mean != nullptr) new_mean[c] = old_mean[c] * momentum + mean * (1 - momentum);
        if (new_variance != nullptr) new_variance[c] = old_variance[c] * momentum + variance * (1 - momentum);
      }
      const float scale = gain[c] / std::sqrt(variance + epsilon);
      const float offset = shift[c] - mean * scale;
      for (std::int64_t b = 0; b < batch; ++b) {
        const std::int64_t begin = (b * channels + c) * inner;
        for (std::int64_t i = begin; i < begin + inner; ++i) out[i] = in[i] * scale + offset;
      }
    });
  };
}

RunFn make_lp_norm(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.integer("axis", -1);
  const std::int64_t p = node.integer("p", 2);
  if (p != 1 && p != 2) fail("p is {} where 1 or 2 was expected", p);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const int axis = checked_axis(wanted, x.rank());
    const std::int64_t inner = product(x.shape(), axis + 1, x.rank());
    const std::int64_t dim = x.dim(axis);
    Tensor& y = run.output(0, x.dtype(), x.shape());
    visit_floats(x.dtype(), [&]<typename T>() {
      const T* in = x.data<T>().data();
      T* out = y.mutable_data<T>().data();
      for (std::int64_t line = 0; line < product(x.shape(), 0, axis) * inner; ++line) {
        const std::int64_t base = line / inner * dim * inner + line % inner;
        double sum = 0;
        for (std::int64_t d = 0; d < dim; ++d) {
          const double value = in[base + d * inner];
          sum += p == 1 ? std::abs(value) : value * value;
        }
        const double length = p == 1 ? sum : std::sqrt(sum);
        for (std::int64_t d = 0; d < dim; ++d) {
          out[base + d * inner] = length == 0 ? T{0} : static_cast<T>(in[base + d * inner] / length);
        }
      }
    });
  };
}

}  // namespace

std::span<const OpDef> norm_ops() {
  static constexpr OpDef kOps[] = {
      {"", "BatchNormalization", 7, make_batch_norm},
      {"", "GroupNormalization", 18, make_group_norm<true>},
      {"", "GroupNormalization", 21, make_group_norm<false>},
      {"", "InstanceNormalization", 6, make_instance_norm},
      {"", "LayerNormalization", 17, make_layer_norm},
      {"", "LpNormalization", 1, make_lp_norm},
      {"", "RMSNormalization", 23, make_rms_norm},
      {"", "SimplifiedLayerNormalization", 1, make_rms_norm},
  };
  return kOps;
}

}  // namespace bantam

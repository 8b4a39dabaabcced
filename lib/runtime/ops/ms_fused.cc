// The com.microsoft activations that take a bias, and the fused normalizations with a skip connection.
#include "runtime/kernels/kernels.h"
#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

// out = activation(x + bias); the bias runs along the last axis.
void biased(OpRun& run, Activation activation, const Kernels& table) {
  const Tensor& x = run.input(0);
  const Tensor* bias = run.optional_input(1);
  const std::int64_t width = x.rank() > 0 ? x.shape().back() : 1;
  if (bias != nullptr) expect_shape(*bias, {width}, "the bias");
  Tensor& y = run.output_over(0, 0, DType::kF32, x.shape());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  if (x.count() == 0) return;
  parallel_pieces(run.pool(), x.count() / width, kElementGrain / 2 / width,
                  [&](std::int64_t begin, std::int64_t end) {
                    if (bias == nullptr) {
                      return table.vector.activate(activation, in + begin * width, out + begin * width,
                                                   (end - begin) * width);
                    }
                    const float* shift = bias->data<float>().data();
                    for (std::int64_t row = begin; row < end; ++row) {
                      float* to = out + row * width;
                      for (std::int64_t j = 0; j < width; ++j) to[j] = in[row * width + j] + shift[j];
                      table.vector.activate(activation, to, to, width);
                    }
                  });
}

template <Activation kActivation, int kLeast>
RunFn make_biased(OpNode& node) {
  node.expect_inputs(kLeast, 2);
  node.expect_outputs(1, 1);
  return [&table = node.kernels()](OpRun& run) { biased(run, kActivation, table); };
}

// out = norm(x + skip + bias) * gamma + beta; output 3 is the sum that was normalized.
void skip_norm(OpRun& run, float epsilon, bool center, const Kernels& table) {
  const Tensor& x = run.input(0);
  const Tensor& skip = run.input(1);
  if (x.rank() < 1) fail("an input without axes");
  const std::int64_t width = x.shape().back();
  const bool per_row = skip.count() == x.count();
  // A skip without the batch axis is the same for every batch.
  const bool repeats = !per_row && skip.rank() >= 2 && x.rank() == 3 && skip.shape().back() == width &&
                       skip.count() > 0 && x.dim(1) * width == skip.count();
  if (!per_row && !repeats) fail("a skip of shape {} for {}", to_string(skip.shape()), to_string(x.shape()));
  const auto vector = [&](int index, std::string_view what) -> const float* {
    const Tensor* tensor = run.optional_input(index);
    if (tensor == nullptr) return nullptr;
    expect_shape(*tensor, {width}, what);
    return tensor->data<float>().data();
  };
  const float* gain = vector(2, "gamma");
  const float* shift = center ? vector(3, "beta") : nullptr;
  const float* bias = vector(center ? 4 : 3, "the bias");
  const float* in = x.data<float>().data();
  const float* other = skip.data<float>().data();
  Tensor sum = run.wants(3) ? run.output(3, DType::kF32, x.shape()) : run.scratch(DType::kF32, x.shape());
  float* sums = sum.mutable_data<float>().data();
  float* out = run.output(0, DType::kF32, x.shape()).mutable_data<float>().data();
  if (x.count() == 0) return;
  parallel_pieces(run.pool(), x.count() / width, kElementGrain / 4 / width,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t row = begin; row < end; ++row) {
                      const float* left = in + row * width;
                      const float* right = other + row * width % skip.count();
                      float* to = sums + row * width;
                      for (std::int64_t j = 0; j < width; ++j) to[j] = left[j] + right[j];
                      for (std::int64_t j = 0; bias != nullptr && j < width; ++j) to[j] += bias[j];
                      table.vector.normalize(to, gain, shift, epsilon, center, out + row * width, width,
                                             nullptr, nullptr);
                    }
                  });
}

template <bool kCenter>
RunFn make_skip_norm(OpNode& node) {
  node.expect_inputs(3, kCenter ? 5 : 4);
  node.expect_outputs(1, 4);
  if (node.has_output(1) || node.has_output(2))
    fail("mean and inverse deviation as outputs are not supported");
  const float epsilon = node.real("epsilon", 1e-5f);
  return [=, &table = node.kernels()](OpRun& run) { skip_norm(run, epsilon, kCenter, table); };
}

}  // namespace

std::span<const OpDef> ms_fused_ops() {
  static constexpr OpDef kOps[] = {
      {"com.microsoft", "BiasGelu", 1, make_biased<Activation::kGeluErf, 2>},
      {"com.microsoft", "FastGelu", 1, make_biased<Activation::kGeluTanh, 1>},
      {"com.microsoft", "Gelu", 1, make_biased<Activation::kGeluErf, 1>},
      {"com.microsoft", "SkipLayerNormalization", 1, make_skip_norm<true>},
      {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, make_skip_norm<false>},
  };
  return kOps;
}

}  // namespace bantam

// Convolutions over any number of spatial axes, grouped and dilated.
#include "runtime/kernels/gemm.h"
#include "runtime/ops/common.h"
#include "runtime/ops/conv_shape.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/window.h"

namespace bantam {

ConvShape conv_shape(const WindowAttributes& attributes, std::int64_t groups, const Shape& x,
                     const Shape& w) {
  if (w.size() != x.size() || w.size() < 3)
    fail("an input of shape {} with a weight of {}", to_string(x), to_string(w));
  const std::vector<std::int64_t> kernel(w.begin() + 2, w.end());
  if (!attributes.kernel.empty() && attributes.kernel != kernel) {
    fail("kernel_shape {} with a weight of {}", to_string(attributes.kernel), to_string(w));
  }
  if (groups < 1 || groups > std::max<std::int64_t>(x[1], 1) || w[0] % groups != 0 || x[1] != w[1] * groups) {
    fail("{} groups for an input of {} and a weight of {}", groups, to_string(x), to_string(w));
  }
  ConvShape shape = {place_window(attributes, kernel, x), x[0], groups, w[1], w[0] / groups, {x[0], w[0]}};
  shape.output.insert(shape.output.end(), shape.window.output.begin(), shape.window.output.end());
  return shape;
}

namespace {

// Output positions that one task computes: a few panels of the matrix kernel.
constexpr std::int64_t kPositions = 192;

// Columns [first, first + count) of the matrix [in_channels * taps, positions] of all values under the
// window, in the panels of the matrix kernel ("im2col", made where it is used).
void fill_panels(const ConvShape& shape, const float* image, std::int64_t first, std::int64_t count,
                 std::int64_t width, float* panels) {
  const Window& window = shape.window;
  const std::int64_t plane = element_count(window.input);
  const std::int64_t taps = window.taps();
  const std::int64_t depth = shape.in_channels * taps;
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(taps));
  Odometer at(window.output);
  at.seek(first);
  for (std::int64_t j = 0; j < round_up(count, width); ++j, at.next()) {
    float* column = panels + j / width * depth * width + j % width;
    Odometer tap(window.kernel);
    for (std::int64_t t = 0; t < taps; ++t, tap.next()) {
      offsets[static_cast<std::size_t>(t)] =
          j < count ? tap_offset(window, at.index(), tap.index()).value_or(-1) : -1;
    }
    for (std::int64_t c = 0; c < shape.in_channels; ++c) {
      for (std::int64_t t = 0; t < taps; ++t) {
        const std::int64_t offset = offsets[static_cast<std::size_t>(t)];
        column[(c * taps + t) * width] = offset < 0 ? 0.0f : image[c * plane + offset];
      }
    }
  }
}

void float_conv(OpRun& run, const ConvShape& shape, const Kernels& table) {
  const float* x = run.input(0).data<float>().data();
  const float* w = run.input(1).data<float>().data();
  float* y = run.output(0, DType::kF32, shape.output).mutable_data<float>().data();
  const Tensor* bias = run.optional_input(2);
  if (bias != nullptr) expect_shape(*bias, {shape.groups * shape.out_channels}, "the bias");
  const std::int64_t depth = shape.in_channels * shape.window.taps();
  const std::int64_t positions = shape.window.positions();
  const std::int64_t plane = element_count(shape.window.input);
  const std::int64_t packed = packed_floats(table, depth, std::min(positions, kPositions));
  Tensor scratch = run.scratch(DType::kF32, {run.pool().threads(), packed});
  float* space = scratch.mutable_data<float>().data();
  const std::int64_t pieces = ceil_div(positions, kPositions);
  run.pool().run(shape.batch * shape.groups * pieces, [&](std::int64_t item, int worker) {
    const std::int64_t first = item % pieces * kPositions;
    const std::int64_t group = item / pieces % shape.groups;
    const std::int64_t image = item / pieces;  // batch * groups + group
    const std::int64_t count = std::min(kPositions, positions - first);
    float* panels = space + worker * packed;
    fill_panels(shape, x + image * shape.in_channels * plane, first, count, table.f32.columns, panels);
    const PackedB b = {&table, depth, count, panels, nullptr};
    float* out = y + image * shape.out_channels * positions + first;
    gemm_serial(shape.out_channels, w + group * shape.out_channels * depth, depth, b, out, positions, {});
    if (bias == nullptr) return;
    for (std::int64_t c = 0; c < shape.out_channels; ++c) {
      const float value = bias->data<float>()[static_cast<std::size_t>(group * shape.out_channels + c)];
      for (std::int64_t j = 0; j < count; ++j) out[c * positions + j] += value;
    }
  });
}

RunFn make_conv(OpNode& node) {
  node.expect_inputs(2, 3);
  node.expect_outputs(1, 1);
  const WindowAttributes attributes = read_window(node);
  const std::int64_t groups = node.integer("group", 1);
  return [=, &table = node.kernels()](OpRun& run) {
    float_conv(run, conv_shape(attributes, groups, run.input(0).shape(), run.input(1).shape()), table);
  };
}

// The transpose: every input value is spread over the window that it would have come from.
struct TransposeAttributes {
  WindowAttributes window;
  std::int64_t groups;
  std::vector<std::int64_t> output_padding, output_shape;
};

Window place_transposed(const TransposeAttributes& attributes, const Shape& x, const Shape& w) {
  const std::size_t axes = x.size() - 2;
  const std::vector<std::int64_t> kernel(w.begin() + 2, w.end());
  if (!attributes.window.kernel.empty() && attributes.window.kernel != kernel) {
    fail("kernel_shape {} with a weight of {}", to_string(attributes.window.kernel), to_string(w));
  }
  WindowAttributes plain = attributes.window;
  plain.auto_pad = WindowAttributes::AutoPad::kNotSet;
  plain.pads.clear();
  // Strides, dilations and sizes are checked by placing the kernel on something as large as itself.
  Shape extent = {1, 1};
  for (std::size_t d = 0; d < axes; ++d) {
    const std::int64_t dilation = plain.dilations.size() == axes ? plain.dilations[d] : 1;
    extent.push_back(checked_mul(kernel[d], dilation).value_or(INT64_MAX));
  }
  Window window = place_window(plain, kernel, extent);
  const auto& pads = attributes.window.pads;
  for (const auto* list : {&attributes.output_padding, &attributes.output_shape}) {
    if (!list->empty() && list->size() != axes)
      fail("a list of {} numbers for {} spatial axes", list->size(), axes);
    for (const std::int64_t value : *list) {
      if (value < 0 || value > INT32_MAX)
        fail("output_shape or output_padding {} is not possible", to_string(*list));
    }
  }
  for (std::size_t d = 0; d < axes; ++d) {
    const std::int64_t extra = attributes.output_padding.empty() ? 0 : attributes.output_padding[d];
    const std::int64_t reach = (kernel[d] - 1) * window.dilations[d] + 1;
    const auto spread = checked_mul(x[d + 2] - 1, window.strides[d]);
    if (x[d + 2] < 1 || !spread || *spread > INT32_MAX) fail("an input of shape {}", to_string(x));
    const std::int64_t whole = *spread + extra + reach;
    std::int64_t begin = pads.empty() ? 0 : pads[d];
    std::int64_t total = pads.empty() ? 0 : begin + pads[d + axes];
    using AutoPad = WindowAttributes::AutoPad;
    const AutoPad pad = attributes.window.auto_pad;
    std::int64_t size = 0;
    if (!attributes.output_shape.empty()) size = attributes.output_shape[d];
    if (attributes.output_shape.empty() && (pad == AutoPad::kSameUpper || pad == AutoPad::kSameLower)) {
      size = x[d + 2] * window.strides[d];
    }
    if (size > 0) {  // pads follow from the wanted size
      total = std::max<std::int64_t>(whole - size, 0);
      begin = pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
    } else {
      if (pad == AutoPad::kValid) begin = total = 0;
      size = whole - total;
    }
    if (size < 0) fail("pads that leave nothing of {} elements", whole);
    // Seen backwards: the "input" of the window is our output and its positions are our input.
    window.input[d] = size;
    window.output[d] = x[d + 2];
    window.pads_begin[d] = begin;
    window.pads_end[d] = total - begin;
  }
  return window;
}

void conv_transpose(OpRun& run, const TransposeAttributes& attributes, const Kernels& table) {
  const Tensor& x = run.input(0);
  const Tensor& w = run.input(1);
  if (w.rank() != x.rank() || w.rank() < 3)
    fail("an input of shape {} with a weight of {}", to_string(x.shape()), to_string(w.shape()));
  const std::int64_t groups = attributes.groups;
  if (groups < 1 || w.dim(0) % groups != 0 || x.dim(1) != w.dim(0)) {
    fail("{} groups for an input of {} and a weight of {}", groups, to_string(x.shape()),
         to_string(w.shape()));
  }
  if (!attributes.window.pads.empty() && attributes.window.pads.size() != 2 * (x.shape().size() - 2))
    fail("pads {} for {} spatial axes", to_string(attributes.window.pads), x.rank() - 2);
  const Window window = place_transposed(attributes, x.shape(), w.shape());
  const std::int64_t in_channels = x.dim(1) / groups;
  const std::int64_t out_channels = w.dim(1);
  Shape shape = {x.dim(0), out_channels * groups};
  shape.insert(shape.end(), window.input.begin(), window.input.end());
  const Tensor* bias = run.optional_input(2);
  if (bias != nullptr) expect_shape(*bias, {out_channels * groups}, "the bias");
  Tensor& y = run.output(0, DType::kF32, std::move(shape));
  const std::int64_t plane = element_count(window.input);
  const std::int64_t positions = window.positions();
  const std::int64_t taps = window.taps();
  const float* in = x.data<float>().data();
  const float* weight = w.data<float>().data();
  float* out = y.mutable_data<float>().data();
  // columns[out_channels * taps, positions] = W'[out_channels * taps, in_channels] * x[in_channels,
  // positions], added up where windows overlap.
  Tensor columns = run.scratch(DType::kF32, {out_channels * taps, positions});
  Tensor turned = run.scratch(DType::kF32, {out_channels * taps, in_channels});
  float* values = columns.mutable_data<float>().data();
  float* left = turned.mutable_data<float>().data();
  for (std::int64_t image = 0; image < x.dim(0) * groups; ++image) {
    const std::int64_t group = image % groups;
    for (std::int64_t c = 0; c < in_channels; ++c) {
      for (std::int64_t o = 0; o < out_channels * taps; ++o) {
        left[o * in_channels + c] = weight[(group * in_channels + c) * out_channels * taps + o];
      }
    }
    const PackedB right = pack_b(table, in + image * in_channels * positions, positions, false, in_channels,
                                 positions, run.memory(), run.pool());
    gemm(out_channels * taps, left, in_channels, right, values, positions, {}, run.pool());
    run.pool().run(out_channels, [&](std::int64_t o, int) {
      float* to = out + (image * out_channels + o) * plane;
      std::fill_n(
          to, plane,
          bias != nullptr ? bias->data<float>()[static_cast<std::size_t>(group * out_channels + o)] : 0.0f);
      Odometer tap(window.kernel);
      for (std::int64_t t = 0; t < taps; ++t, tap.next()) {
        Odometer at(window.output);
        for (std::int64_t p = 0; p < positions; ++p, at.next()) {
          if (const auto offset = tap_offset(window, at.index(), tap.index()))
            to[*offset] += values[(o * taps + t) * positions + p];
        }
      }
    });
  }
}

RunFn make_conv_transpose(OpNode& node) {
  node.expect_inputs(2, 3);
  node.expect_outputs(1, 1);
  TransposeAttributes attributes = {read_window(node), node.integer("group", 1), {}, {}};
  attributes.output_padding = node.integers("output_padding").value_or(std::vector<std::int64_t>{});
  attributes.output_shape = node.integers("output_shape").value_or(std::vector<std::int64_t>{});
  return [=, &table = node.kernels()](OpRun& run) { conv_transpose(run, attributes, table); };
}

}  // namespace

std::span<const OpDef> conv_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Conv", 1, make_conv},
      {"", "ConvTranspose", 1, make_conv_transpose},
  };
  return kOps;
}

}  // namespace bantam

// Convolutions of quantized values: ConvInteger and QLinearConv.
#include <cmath>
#include <limits>

#include "runtime/kernels/gemm_s8.h"
#include "runtime/ops/common.h"
#include "runtime/ops/conv_shape.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

constexpr std::int64_t kPositions = 256;

// Zero points of x (one) or w (one or one per output channel), widened; `count` of them.
std::vector<std::int32_t> zeros_of(const Tensor* zero, const Tensor& values, std::int64_t count) {
  if (zero == nullptr) return std::vector<std::int32_t>(static_cast<std::size_t>(count), 0);
  if (zero->dtype() != values.dtype())
    fail("a zero point of {} for values of {}", name(zero->dtype()), name(values.dtype()));
  if (zero->count() != 1 && zero->count() != count)
    fail("{} zero points where {} were expected", zero->count(), count);
  std::vector<std::int32_t> result;
  visit_types<std::uint8_t, std::int8_t>(zero->dtype(), [&]<typename T>() {
    const auto list = zero->data<T>();
    for (std::int64_t i = 0; i < count; ++i)
      result.push_back(list[list.size() == 1 ? 0 : static_cast<std::size_t>(i)]);
  });
  return result;
}

// The values under the window for positions [first, first + count), one row per position; padding is the zero
// point.
void fill_rows(const ConvShape& shape, const std::uint8_t* image, std::int64_t first, std::int64_t count,
               std::uint8_t zero, std::uint8_t* rows) {
  const Window& window = shape.window;
  const std::int64_t plane = element_count(window.input);
  const std::int64_t taps = window.taps();
  Odometer at(window.output);
  at.seek(first);
  for (std::int64_t j = 0; j < count; ++j, at.next()) {
    Odometer tap(window.kernel);
    for (std::int64_t t = 0; t < taps; ++t, tap.next()) {
      const auto offset = tap_offset(window, at.index(), tap.index());
      for (std::int64_t c = 0; c < shape.in_channels; ++c) {
        rows[(j * shape.in_channels + c) * taps + t] = offset ? image[c * plane + *offset] : zero;
      }
    }
  }
}

// Calls store(image and group, position, sums of all channels of the group) for every position.
template <typename Store>
void integer_conv(OpRun& run, const Tensor& x, const Tensor& w, const std::vector<std::int32_t>& x_zero,
                  const std::vector<std::int32_t>& w_zeros, const ConvShape& shape, const Kernels& table,
                  const Store& store) {
  for (const Tensor* tensor : {&x, &w}) {
    if (tensor->dtype() != DType::kU8 && tensor->dtype() != DType::kI8)
      fail("{} where uint8 or int8 was expected", name(tensor->dtype()));
  }
  const std::int64_t depth = shape.in_channels * shape.window.taps();
  const std::int64_t positions = shape.window.positions();
  const std::int64_t plane = element_count(shape.window.input);
  const std::int64_t channels = shape.out_channels;
  const std::int64_t most = std::min(positions, kPositions);
  Tensor rows = run.scratch(DType::kU8, {most, depth});
  Tensor sums = run.scratch(DType::kI32, {most, channels});
  const auto* image = reinterpret_cast<const std::uint8_t*>(x.bytes().data());
  for (std::int64_t group = 0; group < shape.groups; ++group) {
    const PackedS8 weight =
        pack_s8(table, w.bytes().data() + group * channels * depth, w.dtype() == DType::kU8, depth, true,
                depth, channels, run.memory(), run.pool());
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      const std::int64_t item = b * shape.groups + group;
      for (std::int64_t first = 0; first < positions; first += most) {
        const std::int64_t count = std::min(most, positions - first);
        fill_rows(shape, image + item * shape.in_channels * plane, first, count,
                  static_cast<std::uint8_t>(x_zero[0]), rows.mutable_data<std::uint8_t>().data());
        IntegerA left;
        left.values = rows.bytes().data();
        left.is_signed = x.dtype() == DType::kI8;
        left.m = count;
        left.stride = depth;
        left.zero = x_zero[0];
        IntegerOutput output;
        output.c = sums.mutable_bytes().data();
        output.stride = channels;
        output.b_zeros = w_zeros.data() + group * channels;
        gemm_s8(left, weight, output, run.memory(), run.pool());
        const std::int32_t* values = sums.data<std::int32_t>().data();
        for (std::int64_t j = 0; j < count; ++j) store(item, first + j, values + j * channels);
      }
    }
  }
}

RunFn make_conv_integer(OpNode& node) {
  node.expect_inputs(2, 4);
  node.expect_outputs(1, 1);
  const WindowAttributes attributes = read_window(node);
  const std::int64_t groups = node.integer("group", 1);
  return [=, &table = node.kernels()](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& w = run.input(1);
    const ConvShape shape = conv_shape(attributes, groups, x.shape(), w.shape());
    std::int32_t* y = run.output(0, DType::kI32, shape.output).mutable_data<std::int32_t>().data();
    const std::int64_t positions = shape.window.positions();
    integer_conv(run, x, w, zeros_of(run.optional_input(2), x, 1),
                 zeros_of(run.optional_input(3), w, w.dim(0)), shape, table,
                 [&](std::int64_t item, std::int64_t position, const std::int32_t* sums) {
                   for (std::int64_t c = 0; c < shape.out_channels; ++c)
                     y[(item * shape.out_channels + c) * positions + position] = sums[c];
                 });
  };
}

RunFn make_qlinear_conv(OpNode& node) {
  node.expect_inputs(8, 9);
  node.expect_outputs(1, 1);
  const WindowAttributes attributes = read_window(node);
  const std::int64_t groups = node.integer("group", 1);
  return [=, &table = node.kernels()](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& w = run.input(3);
    const ConvShape shape = conv_shape(attributes, groups, x.shape(), w.shape());
    const std::int64_t filters = w.dim(0);
    const auto scalar = [&](int index) {
      const auto values = run.input(index).data<float>();
      if (values.size() != 1) fail("input {} is not one scale", index);
      return values[0];
    };
    const float x_scale = scalar(1);
    const float y_scale = scalar(6);
    const auto w_scales = run.input(4).data<float>();
    if (w_scales.size() != 1 && std::ssize(w_scales) != filters)
      fail("{} scales for {} filters", w_scales.size(), filters);
    const Tensor* bias = run.optional_input(8);
    if (bias != nullptr) expect_shape(*bias, {filters}, "the bias");
    const Tensor& y_zero_point = run.input(7);
    const std::int32_t y_zero = zeros_of(&y_zero_point, y_zero_point, 1)[0];
    Tensor& y = run.output(0, y_zero_point.dtype(), shape.output);
    const std::int64_t positions = shape.window.positions();
    visit_types<std::uint8_t, std::int8_t>(y.dtype(), [&]<typename T>() {
      T* out = y.mutable_data<T>().data();
      integer_conv(run, x, w, zeros_of(&run.input(2), x, 1), zeros_of(&run.input(5), w, filters), shape,
                   table, [&](std::int64_t item, std::int64_t position, const std::int32_t* sums) {
                     for (std::int64_t c = 0; c < shape.out_channels; ++c) {
                       const std::int64_t filter = item % shape.groups * shape.out_channels + c;
                       const auto at = static_cast<std::size_t>(filter);
                       const float scale = x_scale * w_scales[w_scales.size() == 1 ? 0 : at] / y_scale;
                       const std::int64_t sum =
                           std::int64_t{sums[c]} + (bias != nullptr ? bias->data<std::int32_t>()[at] : 0);
                       const float value =
                           std::nearbyint(static_cast<float>(sum) * scale) + static_cast<float>(y_zero);
                       out[(item * shape.out_channels + c) * positions + position] =
                           static_cast<T>(std::clamp<float>(value, std::numeric_limits<T>::min(),
                                                            std::numeric_limits<T>::max()));
                     }
                   });
    });
  };
}

}  // namespace

std::span<const OpDef> conv_integer_ops() {
  static constexpr OpDef kOps[] = {
      {"", "ConvInteger", 10, make_conv_integer},
      {"", "QLinearConv", 10, make_qlinear_conv},
  };
  return kOps;
}

}  // namespace bantam

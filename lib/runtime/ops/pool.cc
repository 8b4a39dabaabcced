// Poolings over a moving window or over everything.
#include <cmath>
#include <limits>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/window.h"

namespace bantam {
namespace {

Shape output_shape(const Tensor& x, const Window& window) {
  Shape shape = {x.dim(0), x.dim(1)};
  shape.insert(shape.end(), window.output.begin(), window.output.end());
  return shape;
}

// Calls visit(plane, position, odometer index of the output position) for all planes, in parallel over
// planes.
template <typename Visit>
void for_each_position(OpRun& run, const Window& window, const Visit& visit) {
  const std::int64_t planes = run.input(0).dim(0) * run.input(0).dim(1);
  run.pool().run(planes, [&](std::int64_t plane, int) {
    Odometer at(window.output);
    for (std::int64_t position = 0; position < window.positions(); ++position, at.next())
      visit(plane, position, at.index());
  });
}

RunFn make_max_pool(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, node.opset() >= 8 ? 2 : 1);
  WindowAttributes attributes = read_window(node);
  if (attributes.kernel.empty()) fail("attribute kernel_shape is missing");
  if (node.opset() >= 10) attributes.ceil_mode = node.flag("ceil_mode", false);
  const bool column_major = node.opset() >= 8 && node.flag("storage_order", false);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Window window = place_window(attributes, attributes.kernel, x.shape());
    const Shape shape = output_shape(x, window);
    const std::int64_t plane_size = element_count(window.input);
    Tensor& y = run.output(0, x.dtype(), shape);
    std::int64_t* indices =
        run.wants(1) ? run.output(1, DType::kI64, shape).mutable_data<std::int64_t>().data() : nullptr;
    // An index counts along the last axis first; with storage_order 1 along the first spatial axis.
    const auto index_of = [&](std::int64_t offset) {
      if (!column_major) return offset;
      std::int64_t result = 0;
      Odometer at(window.input);
      at.seek(offset);
      for (std::size_t d = window.input.size(); d-- > 0;) result = result * window.input[d] + at.index()[d];
      return result;
    };
    visit_types<float, double, std::int8_t, std::uint8_t>(x.dtype(), [&]<typename T>() {
      const T* in = x.data<T>().data();
      T* out = y.mutable_data<T>().data();
      for_each_position(run, window,
                        [&](std::int64_t plane, std::int64_t position, const std::vector<std::int64_t>& at) {
                          Odometer tap(window.kernel);
                          T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                        : std::numeric_limits<T>::lowest();
                          std::int64_t found = -1;
                          for (std::int64_t t = 0; t < window.taps(); ++t, tap.next()) {
                            const auto offset = tap_offset(window, at, tap.index());
                            if (!offset) continue;
                            const T value = in[plane * plane_size + *offset];
                            if (found < 0 || value > best) {
                              best = value;
                              found = *offset;
                            }
                          }
                          out[plane * window.positions() + position] = best;
                          if (indices != nullptr) {
                            indices[plane * window.positions() + position] =
                                plane * plane_size + (found < 0 ? 0 : index_of(found));
                          }
                        });
    });
  };
}

// How many taps of the window lie inside the input or its padding: what count_include_pad divides by.
std::int64_t taps_with_padding(const Window& window, const std::vector<std::int64_t>& at) {
  std::int64_t count = 1;
  for (std::size_t d = 0; d < at.size(); ++d) {
    const std::int64_t start = at[d] * window.strides[d];
    const std::int64_t end = window.pads_begin[d] + window.input[d] + window.pads_end[d];
    count *=
        std::min(window.kernel[d], std::max<std::int64_t>(ceil_div(end - start, window.dilations[d]), 0));
  }
  return count;
}

// Shared by AveragePool (p = 0) and LpPool.
RunFn make_sum_pool(std::int64_t p, bool include_padding, WindowAttributes attributes) {
  if (attributes.kernel.empty()) fail("attribute kernel_shape is missing");
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Window window = place_window(attributes, attributes.kernel, x.shape());
    const std::int64_t plane_size = element_count(window.input);
    Tensor& y = run.output(0, x.dtype(), output_shape(x, window));
    visit_floats(x.dtype(), [&]<typename T>() {
      const T* in = x.data<T>().data();
      T* out = y.mutable_data<T>().data();
      for_each_position(run, window,
                        [&](std::int64_t plane, std::int64_t position, const std::vector<std::int64_t>& at) {
                          Odometer tap(window.kernel);
                          double sum = 0;
                          std::int64_t count = 0;
                          for (std::int64_t t = 0; t < window.taps(); ++t, tap.next()) {
                            const auto offset = tap_offset(window, at, tap.index());
                            if (!offset) continue;
                            const double value = in[plane * plane_size + *offset];
                            sum += p == 0 ? value : std::pow(std::abs(value), static_cast<double>(p));
                            ++count;
                          }
                          if (include_padding) count = taps_with_padding(window, at);
                          const double result = p == 0 ? (count == 0 ? 0 : sum / static_cast<double>(count))
                                                       : std::pow(sum, 1.0 / static_cast<double>(p));
                          out[plane * window.positions() + position] = static_cast<T>(result);
                        });
    });
  };
}

RunFn make_average_pool(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  WindowAttributes attributes = read_window(node);
  if (node.opset() < 19 && node.has_attribute("dilations"))
    fail("attribute dilations is not part of opset {}", node.opset());
  if (node.opset() >= 10) attributes.ceil_mode = node.flag("ceil_mode", false);
  return make_sum_pool(0, node.flag("count_include_pad", false), std::move(attributes));
}

RunFn make_lp_pool(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  WindowAttributes attributes = read_window(node);
  if (node.opset() >= 18) attributes.ceil_mode = node.flag("ceil_mode", false);
  const std::int64_t p = node.integer("p", 2);
  if (p < 1) fail("p is {}", p);
  return make_sum_pool(p, false, std::move(attributes));
}

enum class Global { kAverage, kMax };

template <Global kKind>
RunFn make_global(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& x = run.input(0);
    if (x.rank() < 2) fail("an input of rank {} where [batch, channels, ...] was expected", x.rank());
    Shape shape = x.shape();
    std::fill(shape.begin() + 2, shape.end(), 1);
    const std::int64_t width = product(x.shape(), 2, x.rank());
    Tensor& y = run.output(0, x.dtype(), std::move(shape));
    if (width == 0) fail("nothing to pool in {}", to_string(x.shape()));
    visit_floats(x.dtype(), [&]<typename T>() {
      const T* in = x.data<T>().data();
      T* out = y.mutable_data<T>().data();
      run.pool().run(y.count(), [&](std::int64_t plane, int) {
        const T* values = in + plane * width;
        if constexpr (kKind == Global::kMax) {
          out[plane] = *std::max_element(values, values + width);
        } else {
          double sum = 0;
          for (std::int64_t i = 0; i < width; ++i) sum += values[i];
          out[plane] = static_cast<T>(sum / static_cast<double>(width));
        }
      });
    });
  };
}

}  // namespace

std::span<const OpDef> pool_ops() {
  static constexpr OpDef kOps[] = {
      {"", "AveragePool", 7, make_average_pool},
      {"", "GlobalAveragePool", 1, make_global<Global::kAverage>},
      {"", "GlobalMaxPool", 1, make_global<Global::kMax>},
      {"", "LpPool", 2, make_lp_pool},
      {"", "MaxPool", 1, make_max_pool},
  };
  return kOps;
}

}  // namespace bantam

#include "runtime/ops/window.h"

#include "runtime/ops/common.h"

namespace bantam {
namespace {

// Far more than any real model needs, far less than what would overflow below.
constexpr std::int64_t kLargest = std::int64_t{1} << 31;

void check_range(const std::vector<std::int64_t>& values, std::int64_t least, std::string_view what) {
  for (const std::int64_t value : values) {
    if (value < least || value > kLargest) fail("{} {} are not possible", what, to_string(values));
  }
}

}  // namespace

WindowAttributes read_window(OpNode& node) {
  WindowAttributes window;
  window.kernel = node.integers("kernel_shape").value_or(std::vector<std::int64_t>{});
  window.strides = node.integers("strides").value_or(std::vector<std::int64_t>{});
  window.dilations = node.integers("dilations").value_or(std::vector<std::int64_t>{});
  window.pads = node.integers("pads").value_or(std::vector<std::int64_t>{});
  const std::string pad = node.text("auto_pad", "NOTSET");
  using AutoPad = WindowAttributes::AutoPad;
  if (pad == "SAME_UPPER") {
    window.auto_pad = AutoPad::kSameUpper;
  } else if (pad == "SAME_LOWER") {
    window.auto_pad = AutoPad::kSameLower;
  } else if (pad == "VALID") {
    window.auto_pad = AutoPad::kValid;
  } else if (pad != "NOTSET") {
    fail("auto_pad \"{}\" is not known", pad);
  }
  check_range(window.kernel, 1, "kernel_shape");
  check_range(window.strides, 1, "strides");
  check_range(window.dilations, 1, "dilations");
  check_range(window.pads, 0, "pads");
  return window;
}

std::int64_t Window::positions() const {
  return element_count(output);
}
std::int64_t Window::taps() const {
  return element_count(kernel);
}

Window place_window(const WindowAttributes& attributes, std::vector<std::int64_t> kernel,
                    const Shape& input) {
  if (input.size() < 3)
    fail("an input of shape {} where [batch, channels, ...] was expected", to_string(input));
  const std::size_t axes = input.size() - 2;
  const auto list = [&](const std::vector<std::int64_t>& given, std::string_view what) {
    if (given.empty()) return std::vector<std::int64_t>(axes, 1);
    if (given.size() != axes) fail("{} {} for {} spatial axes", what, to_string(given), axes);
    return given;
  };
  Window window;
  window.input.assign(input.begin() + 2, input.end());
  window.kernel = list(kernel, "a kernel of");
  window.strides = list(attributes.strides, "strides");
  window.dilations = list(attributes.dilations, "dilations");
  if (!attributes.pads.empty() && attributes.pads.size() != 2 * axes) {
    fail("pads {} for {} spatial axes", to_string(attributes.pads), axes);
  }
  for (std::size_t d = 0; d < axes; ++d) {
    const std::int64_t size = window.input[d];
    const std::int64_t stride = window.strides[d];
    if (size > kLargest || window.kernel[d] > kLargest || window.kernel[d] < 1)
      fail("a kernel of {} on {}", window.kernel[d], size);
    const auto extent_minus_1 = checked_mul(window.kernel[d] - 1, window.dilations[d]);
    if (!extent_minus_1 || *extent_minus_1 > kLargest)
      fail("a kernel of {} spread by {}", window.kernel[d], window.dilations[d]);
    const std::int64_t extent = *extent_minus_1 + 1;
    std::int64_t begin = attributes.pads.empty() ? 0 : attributes.pads[d];
    std::int64_t end = attributes.pads.empty() ? 0 : attributes.pads[d + axes];
    std::int64_t count = 0;
    using AutoPad = WindowAttributes::AutoPad;
    switch (attributes.auto_pad) {
      case AutoPad::kNotSet: {
        const std::int64_t room = size + begin + end - extent;
        if (room < 0) fail("a kernel that reaches over {} elements on {}", extent, size + begin + end);
        count = (attributes.ceil_mode ? ceil_div(room, stride) : room / stride) + 1;
        // A window that would start in the padding at the end is dropped.
        if (attributes.ceil_mode && (count - 1) * stride >= size + begin) --count;
        break;
      }
      case AutoPad::kValid:
        begin = end = 0;
        if (size < extent) fail("a kernel that reaches over {} elements on {}", extent, size);
        count = (size - extent) / stride + 1;
        break;
      case AutoPad::kSameUpper:
      case AutoPad::kSameLower: {
        count = ceil_div(size, stride);
        const std::int64_t total = std::max<std::int64_t>((count - 1) * stride + extent - size, 0);
        begin = attributes.auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
        end = total - begin;
        break;
      }
    }
    window.pads_begin.push_back(begin);
    window.pads_end.push_back(end);
    window.output.push_back(count);
  }
  if (!checked_element_count(window.output) || !checked_element_count(window.kernel))
    fail("a window of impossible size");
  return window;
}

std::optional<std::int64_t> tap_offset(const Window& window, const std::vector<std::int64_t>& at,
                                       const std::vector<std::int64_t>& tap) {
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < at.size(); ++d) {
    const std::int64_t x = at[d] * window.strides[d] - window.pads_begin[d] + tap[d] * window.dilations[d];
    if (x < 0 || x >= window.input[d]) return std::nullopt;
    offset = offset * window.input[d] + x;
  }
  return offset;
}

}  // namespace bantam

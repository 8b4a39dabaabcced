// QuantizeLinear, DequantizeLinear (per tensor, per axis, in blocks) and DynamicQuantizeLinear.
#include <cmath>
#include <limits>

#include "runtime/constants.h"
#include "runtime/kernels/kernels.h"
#include "runtime/ops/common.h"
#include "runtime/ops/dynamic_quantize.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/packed.h"

namespace bantam {
namespace {

// Which scale belongs to an element: the tensor is seen as [outer, dim, inner], the scales as [outer, dims,
// inner] (blocked), [dims] (per axis) or one number.
struct ScaleMap {
  std::int64_t outer = 1, dim = 1, inner = 1;
  std::int64_t block = 1;    // elements of the axis that share a scale
  std::int64_t scales = 1;   // scales along the axis
  bool per_element = false;  // blocked: the scales have the other axes too

  std::int64_t index(std::int64_t o, std::int64_t d, std::int64_t i) const {
    const std::int64_t at = d / block;
    return per_element ? (o * scales + at) * inner + i : at;
  }
};

ScaleMap map_scales(const Tensor& x, const Tensor& scale, std::int64_t wanted_axis, std::int64_t block) {
  ScaleMap map;
  if (block == 0 && scale.count() == 1 && scale.rank() <= 1) {
    map.outer = x.count();
    return map;
  }
  const int axis = checked_axis(wanted_axis, x.rank());
  map.outer = product(x.shape(), 0, axis);
  map.dim = x.dim(axis);
  map.inner = product(x.shape(), axis + 1, x.rank());
  if (block == 0) {
    expect_shape(scale, {map.dim}, "the scale");
    map.scales = map.dim;
    return map;
  }
  if (block < 0) fail("block_size {} is not possible", block);
  Shape expected = x.shape();
  expected[static_cast<std::size_t>(axis)] = (map.dim + block - 1) / block;
  expect_shape(scale, expected, "the scale");
  map.block = block;
  map.scales = expected[static_cast<std::size_t>(axis)];
  map.per_element = true;
  return map;
}

// 16-bit floats as float32, everything else as it is.
Tensor widened(const Tensor& x, OpRun& run) {
  return is_half(x.dtype()) ? to_float32(x, run.memory(), &run.pool()) : x;
}
Tensor unpacked(const Tensor& x, Memory& memory) {
  return info(x.dtype()).bits < 8 ? unpack_nibbles(x, memory) : x;
}

// The zero points as int32; empty without them.
std::vector<std::int32_t> zero_points(const Tensor* zero, DType dtype, const Tensor& scale, Memory& memory) {
  std::vector<std::int32_t> values;
  if (zero == nullptr) return values;
  if (zero->dtype() != dtype) fail("a zero point of {} for values of {}", name(zero->dtype()), name(dtype));
  if (zero->count() != scale.count()) fail("{} zero points for {} scales", zero->count(), scale.count());
  visit_types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t>(
      unpacked(*zero, memory).dtype(), [&]<typename T>() {
        const Tensor plain = unpacked(*zero, memory);
        values.assign(plain.data<T>().begin(), plain.data<T>().end());
      });
  return values;
}

struct Range {
  double low, high;
};
Range range_of(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return {0, 255};
    case DType::kI8:
      return {-128, 127};
    case DType::kU16:
      return {0, 65535};
    case DType::kI16:
      return {-32768, 32767};
    case DType::kU4:
      return {0, 15};
    case DType::kI4:
      return {-8, 7};
    default:
      fail("quantizing to {} is not supported", name(dtype));
  }
}

struct Settings {
  std::int64_t axis = 1;
  std::int64_t block = 0;
  DType output = DType::kUndefined;  // as the zero point (uint8 without one)
};

template <typename T, typename F>
void store_quantized(Tensor& y, const ScaleMap& map, F quantized) {
  T* out = y.mutable_data<T>().data();
  std::int64_t at = 0;
  for (std::int64_t o = 0; o < map.outer; ++o) {
    for (std::int64_t d = 0; d < map.dim; ++d) {
      for (std::int64_t i = 0; i < map.inner; ++i, ++at)
        out[at] = static_cast<T>(quantized(at, map.index(o, d, i)));
    }
  }
}

void quantize(OpRun& run, const Settings& settings, const Kernels& kernels) {
  const Tensor x = widened(run.input(0), run);
  const Tensor scale = widened(run.input(1), run);
  const Tensor* zero = run.optional_input(2);
  DType target = zero != nullptr ? zero->dtype() : settings.output;
  if (target == DType::kUndefined) target = DType::kU8;
  if (settings.output != DType::kUndefined && settings.output != target) {
    fail("output_dtype {} with a zero point of {}", name(settings.output), name(target));
  }
  const Range range = range_of(target);
  const ScaleMap map = map_scales(x, scale, settings.axis, settings.block);
  const std::vector<std::int32_t> zeros = zero_points(zero, target, scale, run.memory());
  const float* scales = scale.data<float>().data();
  const bool packed = info(target).bits < 8;
  const DType stored = packed ? (target == DType::kI4 ? DType::kI8 : DType::kU8) : target;
  Tensor y = packed ? run.scratch(stored, x.shape()) : run.output(0, stored, x.shape());
  const auto quantized = [&](std::int64_t at, std::int64_t s) {
    const float value = x.dtype() == DType::kI32
                            ? static_cast<float>(x.data<std::int32_t>()[static_cast<std::size_t>(at)])
                            : x.data<float>()[static_cast<std::size_t>(at)];
    const double shifted = static_cast<double>(std::nearbyint(value / scales[s])) +
                           (zeros.empty() ? 0 : zeros[static_cast<std::size_t>(s)]);
    return std::isnan(shifted) ? range.low : std::clamp(shifted, range.low, range.high);
  };
  if (target == DType::kU8 && x.dtype() == DType::kF32 && scale.count() == 1) {
    const float* in = x.data<float>().data();
    std::uint8_t* out = y.mutable_data<std::uint8_t>().data();
    parallel_pieces(run.pool(), x.count(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      kernels.vector.quantize_u8(in + begin, scales[0], zeros.empty() ? 0 : zeros[0], out + begin,
                                 end - begin);
    });
    return;
  }
  visit_types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t>(
      stored, [&]<typename T>() { store_quantized<T>(y, map, quantized); });
  if (packed) run.set_output(0, pack_nibbles(y, target, run.memory()));
}

void dequantize(OpRun& run, const Settings& settings) {
  const Tensor x = unpacked(run.input(0), run.memory());
  const DType result = settings.output != DType::kUndefined ? settings.output : run.input(1).dtype();
  const Tensor scale = widened(run.input(1), run);
  const Tensor* zero = run.optional_input(2);
  const ScaleMap map = map_scales(x, scale, settings.axis, settings.block);
  const std::vector<std::int32_t> zeros = zero_points(zero, run.input(0).dtype(), scale, run.memory());
  const float* scales = scale.data<float>().data();
  Tensor y = run.output(0, DType::kF32, x.shape());
  float* out = y.mutable_data<float>().data();
  visit_types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t>(
      x.dtype(), [&]<typename T>() {
        const T* in = x.data<T>().data();
        parallel_pieces(run.pool(), map.outer * map.dim, kElementGrain / std::max<std::int64_t>(map.inner, 1),
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t line = begin; line < end; ++line) {
                            for (std::int64_t i = 0; i < map.inner; ++i) {
                              const auto s = map.index(line / map.dim, line % map.dim, i);
                              // In int64: int32 values minus a zero point may not fit into int32.
                              const std::int64_t code =
                                  std::int64_t{in[line * map.inner + i]} -
                                  (zeros.empty() ? 0 : zeros[static_cast<std::size_t>(s)]);
                              out[line * map.inner + i] = static_cast<float>(code) * scales[s];
                            }
                          }
                        });
      });
  if (is_half(result)) {
    run.set_output(0, to_half(y, result, run.memory(), &run.pool()));
  } else if (result != DType::kF32) {
    fail("dequantizing to {} is not supported", name(result));
  }
}

Settings read_settings(OpNode& node) {
  Settings settings;
  if (node.opset() >= 13 || !node.node().domain.empty()) settings.axis = node.integer("axis", 1);
  if (node.opset() >= 21) settings.block = node.integer("block_size", 0);
  return settings;
}

DType dtype_attribute(OpNode& node, std::string_view name) {
  const std::int64_t code = node.integer(name, 0);
  const auto dtype = dtype_from_onnx(static_cast<int>(code));
  if (!dtype) fail("attribute {} is {}, which is not supported", name, code);
  return *dtype;
}

RunFn make_quantize(OpNode& node) {
  node.expect_inputs(2, 3);
  node.expect_outputs(1, 1);
  Settings settings = read_settings(node);
  if (node.opset() >= 19) node.ignore("saturate");  // about float8 only
  if (node.opset() >= 21) settings.output = dtype_attribute(node, "output_dtype");
  if (node.opset() >= 23) {
    const DType precision = dtype_attribute(node, "precision");
    if (precision != DType::kUndefined && precision != DType::kF32)
      fail("precision {} is not supported", name(precision));
  }
  return [settings, &table = node.kernels()](OpRun& run) { quantize(run, settings, table); };
}

RunFn make_dequantize(OpNode& node) {
  node.expect_inputs(2, 3);
  node.expect_outputs(1, 1);
  Settings settings = read_settings(node);
  if (node.opset() >= 23) settings.output = dtype_attribute(node, "output_dtype");
  return [settings](OpRun& run) { dequantize(run, settings); };
}

RunFn make_dynamic_quantize(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(3, 3);
  return [&table = node.kernels()](OpRun& run) {
    const Tensor& x = run.input(0);
    const DynamicRange range = dynamic_range(x.data<float>(), table, run.pool());
    std::uint8_t* out = run.output(0, DType::kU8, x.shape()).mutable_data<std::uint8_t>().data();
    run.output(1, DType::kF32, {}).mutable_data<float>()[0] = range.scale;
    run.output(2, DType::kU8, {}).mutable_data<std::uint8_t>()[0] = range.zero;
    const float* in = x.data<float>().data();
    parallel_pieces(run.pool(), x.count(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      table.vector.quantize_u8(in + begin, range.scale, range.zero, out + begin, end - begin);
    });
  };
}

}  // namespace

std::span<const OpDef> quantize_ops() {
  static constexpr OpDef kOps[] = {
      {"", "DequantizeLinear", 10, make_dequantize, Half::kAsIs},
      {"", "DynamicQuantizeLinear", 11, make_dynamic_quantize},
      {"", "QuantizeLinear", 10, make_quantize, Half::kAsIs},
      {"com.microsoft", "DequantizeLinear", 1, make_dequantize, Half::kAsIs},
      {"com.microsoft", "QuantizeLinear", 1, make_quantize, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam

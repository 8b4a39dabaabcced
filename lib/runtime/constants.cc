#include "runtime/constants.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/convert_kernels.h"
#include "base/error.h"
#include "base/float16.h"

namespace bantam {
namespace {

constexpr std::int64_t kTileBytes = 4 << 20;
constexpr float kLargestHalf = 65504.0f;

// What a converter to fp16 does with a stored value: clamp to the finite range, then round. Infinities stay.
void round_weights(std::span<float> values) {
  for (float& value : values) {
    if (std::isfinite(value)) value = std::clamp(value, -kLargestHalf, kLargestHalf);
    value = fp16_to_float(float_to_fp16(value));
  }
}

// Encodes row tiles of the source and puts the bytes of part `wanted` into `out`, in the order of the rows.
void encode_part(const Weight& weight, std::size_t wanted, std::span<std::byte> out) {
  const TensorSource& source = *weight.source;
  const TensorSpec& spec = source.spec();
  const std::vector<PartSpec> specs = weight.codec->parts(spec);
  const std::int64_t rows = spec.rows();
  if (rows == 0) return;
  const std::int64_t step =
      std::clamp<std::int64_t>(kTileBytes / std::max<std::int64_t>(spec.width() * 4, 1), 1, rows);
  std::vector<std::byte> scratch;
  std::vector<float> floats;
  std::vector<std::vector<std::byte>> others(specs.size());
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const RowRange range{begin, std::min(rows, begin + step)};
    floats.resize(static_cast<std::size_t>(range.count() * spec.width()));
    read_as_float(source, range, scratch, floats);
    std::vector<std::span<std::byte>> parts;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const std::int64_t row_bytes = specs[i].bytes() / rows;
      const auto bytes = static_cast<std::size_t>(row_bytes * range.count());
      if (i == wanted) {
        parts.push_back(out.subspan(static_cast<std::size_t>(row_bytes * begin), bytes));
      } else {
        others[i].resize(bytes);
        parts.emplace_back(others[i]);
      }
    }
    weight.codec->encode(floats, spec.width(), parts);
  }
}

// The file's own pages for a large weight that is used as it is stored: an embedding of which a few rows are
// gathered costs no more than these. Null for anything else.
std::shared_ptr<const std::byte> map_large(const TensorSource& source) {
  constexpr std::int64_t kLarge = 1 << 20;
  constexpr std::int64_t kAlignment = 8;  // of the largest element
  const FilePlace place = source.place();
  const std::int64_t bytes = source.spec().bytes();
  if (place.file == nullptr || bytes < kLarge || place.offset % kAlignment != 0) return nullptr;
  return place.file->map(place.offset, bytes);
}

void transpose_bytes(std::span<const std::byte> in, std::int64_t rows, std::int64_t columns,
                     std::int64_t element, std::span<std::byte> out) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      std::memcpy(out.data() + (c * rows + r) * element, in.data() + (r * columns + c) * element,
                  static_cast<std::size_t>(element));
    }
  }
}

}  // namespace

Constants::Constants(const Graph& graph, const SessionOptions& options, Memory& memory)
    : graph_(graph), options_(options), memory_(memory), entries_(graph.values.size()) {
  for (const Constant& constant : graph.constants) {
    Tensor tensor = Tensor::from(constant.data);
    if (options.emulate_fp16 && tensor.dtype() == DType::kF32) round_weights(tensor.mutable_data<float>());
    add(constant.value, std::move(tensor));
  }
  for (std::size_t w = 0; w < graph.weights.size(); ++w) {
    for (std::size_t p = 0; p < graph.weights[w].parts.size(); ++p) {
      const WeightPart& part = graph.weights[w].parts[p];
      for (std::size_t v = 0; v < part.values.size(); ++v) {
        entry(part.values[v]) = {Kind::kWeight, {}, {}, w, p, v};
      }
    }
  }
}

const Tensor* Constants::constant(ValueId id) {
  Entry& known = entry(id);
  if (known.kind == Kind::kNone) return nullptr;
  if (known.kind == Kind::kWeight && !known.tensor.defined()) known.tensor = load(known);
  return &known.tensor;
}

const Tensor* Constants::widened(ValueId id) {
  const Tensor* tensor = constant(id);
  if (tensor == nullptr || !is_half(tensor->dtype())) return tensor;
  Entry& known = entry(id);
  if (!known.widened.defined()) known.widened = to_float32(*tensor, memory_);
  return &known.widened;
}

void Constants::add(ValueId id, Tensor tensor) {
  entry(id) = {Kind::kLoaded, std::move(tensor), {}, 0, 0, 0};
}

void Constants::drop(ValueId id) {
  entry(id).tensor = {};
  entry(id).widened = {};
}

Tensor Constants::load(const Entry& known) const {
  const Weight& weight = graph_.weights[known.weight];
  const WeightPart& part = weight.parts[known.part];
  const Shape& shape = part.shapes[known.value];
  return with_context(weight.name, [&] {
    const TensorSpec& spec = weight.source->spec();
    const PartSpec made = weight.codec->parts(spec)[known.part];
    const bool as_stored =
        weight.codec->is_raw() || (weight.codec == float_codec() && spec.dtype == part.stored);
    const DType dtype = as_stored ? part.stored : made.dtype;
    if (as_stored && !(options_.emulate_fp16 && dtype == DType::kF32)) {
      if (const auto mapped = map_large(*weight.source)) return Tensor::view(dtype, shape, mapped);
    }
    Tensor tensor(dtype, shape, memory_.allocate(byte_size(dtype, element_count(shape))));
    if (as_stored) {
      weight.source->read({0, spec.rows()}, tensor.mutable_bytes());
    } else if (made.transposed) {
      const std::int64_t rows = spec.rows();
      const std::int64_t element = info(dtype).bits / 8;
      BANTAM_ASSERT(element > 0 && rows > 0);
      const Tensor straight(dtype, shape, memory_.allocate(std::ssize(tensor.bytes())));
      encode_part(weight, known.part, Tensor(straight).mutable_bytes());
      transpose_bytes(straight.bytes(), rows, tensor.count() / rows, element, tensor.mutable_bytes());
    } else {
      encode_part(weight, known.part, tensor.mutable_bytes());
    }
    if (dtype == DType::kF32 && is_half(part.stored)) tensor = to_half(tensor, part.stored, memory_);
    if (options_.emulate_fp16 && tensor.dtype() == DType::kF32) round_weights(tensor.mutable_data<float>());
    return tensor;
  });
}

}  // namespace bantam

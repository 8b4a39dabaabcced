#include "graph/onnx_tensor.h"

#include <onnx.pb.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "graph/unsupported.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxTensorFileBytes = std::int64_t{1} << 30;

// Copies a typed repeated field, narrowing each value to the stored type.
template <typename T, typename Field>
void copy_values(const Field& field, std::int64_t count, TensorData& data) {
  if (field.size() != count) fail("{} values where the shape holds {}", field.size(), count);
  data.bytes.resize(static_cast<std::size_t>(count) * sizeof(T));
  for (int i = 0; i < field.size(); ++i) {
    const T value = static_cast<T>(field[i]);
    std::memcpy(data.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
  }
}

void copy_typed(const onnx::TensorProto& proto, std::int64_t count, TensorData& data) {
  switch (data.dtype) {
    case DType::kF32:
      return copy_values<float>(proto.float_data(), count, data);
    case DType::kF64:
      return copy_values<double>(proto.double_data(), count, data);
    case DType::kI64:
      return copy_values<std::int64_t>(proto.int64_data(), count, data);
    case DType::kU64:
      return copy_values<std::uint64_t>(proto.uint64_data(), count, data);
    case DType::kU32:
      return copy_values<std::uint32_t>(proto.uint64_data(), count, data);
    case DType::kI32:
      return copy_values<std::int32_t>(proto.int32_data(), count, data);
    case DType::kI16:
      return copy_values<std::int16_t>(proto.int32_data(), count, data);
    case DType::kF16:
    case DType::kBF16:
    case DType::kU16:
      return copy_values<std::uint16_t>(proto.int32_data(), count, data);
    case DType::kI8:
      return copy_values<std::int8_t>(proto.int32_data(), count, data);
    case DType::kBool:
    case DType::kU8:
      return copy_values<std::uint8_t>(proto.int32_data(), count, data);
    // Each int32 carries one byte, that is two values.
    case DType::kI4:
    case DType::kU4:
      return copy_values<std::uint8_t>(proto.int32_data(), byte_size(data.dtype, count), data);
    default:
      fail_unsupported("values of type {} are not supported", name(data.dtype));
  }
}

}  // namespace

TensorSpec tensor_spec_of(const onnx::TensorProto& proto) {
  TensorSpec spec;
  spec.name = proto.name();
  const auto dtype = dtype_from_onnx(proto.data_type());
  if (!dtype || *dtype == DType::kUndefined) fail("element type {} is not supported", proto.data_type());
  spec.dtype = *dtype;
  spec.shape.assign(proto.dims().begin(), proto.dims().end());
  const auto count = checked_element_count(spec.shape);
  // Room for eight-byte elements: byte sizes must fit as well.
  if (!count || *count > INT64_MAX / 8) fail("shape {} is not possible", to_string(spec.shape));
  return spec;
}

TensorData tensor_data_of(const onnx::TensorProto& proto) {
  const TensorSpec spec = tensor_spec_of(proto);
  const std::int64_t count = element_count(spec.shape);
  if (proto.data_location() == onnx::TensorProto::EXTERNAL)
    fail_unsupported("external data is not possible here");
  TensorData data{spec.dtype, spec.shape, {}, {}};
  if (spec.dtype == DType::kString) {
    if (proto.string_data_size() != count)
      fail("{} values where the shape holds {}", proto.string_data_size(), count);
    data.strings.assign(proto.string_data().begin(), proto.string_data().end());
  } else if (proto.has_raw_data()) {
    const std::string& raw = proto.raw_data();
    if (std::ssize(raw) != spec.bytes()) {
      fail("{} bytes where {} {} needs {}", raw.size(), name(spec.dtype), to_string(spec.shape),
           spec.bytes());
    }
    data.bytes.resize(raw.size());
    if (!raw.empty()) std::memcpy(data.bytes.data(), raw.data(), raw.size());
  } else {
    copy_typed(proto, count, data);
  }
  return data;
}

TensorData read_tensor_file(const std::filesystem::path& path, std::string* name) {
  const std::string text = read_text_file(path, kMaxTensorFileBytes);
  return with_context(path.string(), [&] {
    onnx::TensorProto proto;
    if (!proto.ParseFromString(text)) fail("is not a serialized tensor");
    if (name != nullptr) *name = proto.name();
    return tensor_data_of(proto);
  });
}

}  // namespace bantam

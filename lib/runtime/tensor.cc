#include "runtime/tensor.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "runtime/memory.h"

namespace bantam {
namespace {

std::int64_t count_of(DType dtype, const Shape& shape) {
  const auto count = checked_element_count(shape);
  if (!count || *count > INT64_MAX / 8)
    fail("a tensor of {} {} is not possible", name(dtype), to_string(shape));
  return *count;
}

}  // namespace

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), count_(count_of(dtype, shape)), shape_(std::move(shape)) {
  const std::size_t bytes = size();
  const std::size_t padded = (bytes + kTensorAlignment) / kTensorAlignment * kTensorAlignment;
  auto* block = static_cast<std::byte*>(std::aligned_alloc(kTensorAlignment, padded));
  if (block == nullptr) fail("the system has no {} bytes of memory left", bytes);
  std::memset(block, 0, padded);
  storage_ = {block, [](std::byte* released) { std::free(released); }};
}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<std::byte> storage)
    : dtype_(dtype), count_(count_of(dtype, shape)), shape_(std::move(shape)), storage_(std::move(storage)) {}

Tensor Tensor::copy_of(DType dtype, Shape shape, std::span<const std::byte> bytes) {
  Tensor tensor(dtype, std::move(shape));
  if (bytes.size() != tensor.size()) {
    fail("{} bytes where {} {} needs {}", bytes.size(), name(dtype), to_string(tensor.shape_), tensor.size());
  }
  if (!bytes.empty()) std::memcpy(tensor.storage_.get(), bytes.data(), bytes.size());
  return tensor;
}

Tensor Tensor::of_strings(Shape shape, std::vector<std::string> strings) {
  Tensor tensor;
  tensor.dtype_ = DType::kString;
  tensor.count_ = count_of(DType::kString, shape);
  tensor.shape_ = std::move(shape);
  if (tensor.count_ != std::ssize(strings))
    fail("{} strings where {} are needed", strings.size(), tensor.count_);
  tensor.strings_ = std::make_shared<const std::vector<std::string>>(std::move(strings));
  return tensor;
}

Tensor Tensor::from(const TensorData& data) {
  if (data.dtype == DType::kString) return of_strings(data.shape, data.strings);
  return copy_of(data.dtype, data.shape, data.bytes);
}

Tensor Tensor::borrow(DType dtype, Shape shape, std::span<const std::byte> bytes) {
  // Never written to: owns_alone() is false.
  auto* begin = const_cast<std::byte*>(bytes.data());
  Tensor tensor(dtype, std::move(shape), std::shared_ptr<std::byte>(std::shared_ptr<void>(), begin));
  tensor.owned_ = false;
  if (tensor.size() > bytes.size()) {
    fail("{} bytes where {} {} needs {}", bytes.size(), name(dtype), to_string(tensor.shape_), tensor.size());
  }
  return tensor;
}

Tensor Tensor::view(DType dtype, Shape shape, const std::shared_ptr<const std::byte>& storage) {
  Tensor tensor(dtype, std::move(shape), std::const_pointer_cast<std::byte>(storage));
  tensor.owned_ = false;
  return tensor;
}

std::span<const std::string> Tensor::strings() const {
  if (dtype_ != DType::kString) fail_type(DType::kString);
  return *strings_;
}

Tensor Tensor::reshaped(Shape shape) const {
  if (count_of(dtype_, shape) != count_) {
    fail("shape {} where {} holds {} elements", to_string(shape), to_string(shape_), count_);
  }
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

Tensor Tensor::retyped(DType dtype, Shape shape) const {
  Tensor tensor = *this;
  tensor.dtype_ = dtype;
  tensor.count_ = count_of(dtype, shape);
  tensor.shape_ = std::move(shape);
  BANTAM_ASSERT(tensor.size() == size());
  return tensor;
}

void Tensor::fail_type(DType wanted) const {
  fail("a tensor of type {} where {} was expected", name(dtype_), name(wanted));
}

}  // namespace bantam

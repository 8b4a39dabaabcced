#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "graph/dtype.h"
#include "graph/graph.h"
#include "graph/shape.h"

namespace bantam {

// Whether elements of `dtype` may be seen as T: bool as bytes, half floats as their 16 bits.
template <typename T>
bool is_stored_as(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return std::is_same_v<T, float>;
    case DType::kF64:
      return std::is_same_v<T, double>;
    case DType::kI64:
      return std::is_same_v<T, std::int64_t>;
    case DType::kI32:
      return std::is_same_v<T, std::int32_t>;
    case DType::kI16:
      return std::is_same_v<T, std::int16_t>;
    case DType::kI8:
      return std::is_same_v<T, std::int8_t>;
    case DType::kU64:
      return std::is_same_v<T, std::uint64_t>;
    case DType::kU32:
      return std::is_same_v<T, std::uint32_t>;
    case DType::kU16:
    case DType::kF16:
    case DType::kBF16:
      return std::is_same_v<T, std::uint16_t>;
    case DType::kU8:
    case DType::kBool:
      return std::is_same_v<T, std::uint8_t>;
    default:
      return false;
  }
}

template <typename T>
DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::kF32;
  if constexpr (std::is_same_v<T, double>) return DType::kF64;
  if constexpr (std::is_same_v<T, std::int64_t>) return DType::kI64;
  if constexpr (std::is_same_v<T, std::int32_t>) return DType::kI32;
  if constexpr (std::is_same_v<T, std::int16_t>) return DType::kI16;
  if constexpr (std::is_same_v<T, std::int8_t>) return DType::kI8;
  if constexpr (std::is_same_v<T, std::uint64_t>) return DType::kU64;
  if constexpr (std::is_same_v<T, std::uint32_t>) return DType::kU32;
  if constexpr (std::is_same_v<T, std::uint16_t>) return DType::kU16;
  if constexpr (std::is_same_v<T, std::uint8_t>) return DType::kU8;
}

// A dense row-major tensor. Copies share the storage; who writes makes sure that nobody else looks
// (owns_alone()). 4-bit types are packed low nibble first over the whole tensor.
class Tensor {
 public:
  Tensor() = default;  // no tensor: an omitted optional input
  // Zeros in memory of its own.
  Tensor(DType dtype, Shape shape);
  // `storage` holds at least the bytes that dtype and shape need and is kept alive.
  Tensor(DType dtype, Shape shape, std::shared_ptr<std::byte> storage);
  // A copy of `values`, which must be as many as the shape holds.
  template <typename T>
  static Tensor of(Shape shape, std::span<const T> values) {
    return copy_of(dtype_of<T>(), std::move(shape), std::as_bytes(values));
  }
  static Tensor copy_of(DType dtype, Shape shape, std::span<const std::byte> bytes);
  static Tensor of_strings(Shape shape, std::vector<std::string> strings);
  static Tensor from(const TensorData& data);
  // Sees `bytes`, which the caller keeps alive and unchanged as long as any copy of the tensor exists.
  static Tensor borrow(DType dtype, Shape shape, std::span<const std::byte> bytes);
  // Sees read-only memory and keeps it alive.
  static Tensor view(DType dtype, Shape shape, const std::shared_ptr<const std::byte>& storage);

  bool defined() const { return dtype_ != DType::kUndefined; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return static_cast<int>(shape_.size()); }
  std::int64_t dim(int axis) const { return shape_.at(static_cast<std::size_t>(axis)); }
  std::int64_t count() const { return count_; }
  std::span<const std::byte> bytes() const { return {storage_.get(), size()}; }
  std::span<std::byte> mutable_bytes() { return {storage_.get(), size()}; }

  // The elements as T. Another element type is an Error: models are free to wire wrong types.
  template <typename T>
  std::span<const T> data() const {
    if (!is_stored_as<T>(dtype_)) fail_type(dtype_of<T>());
    return {reinterpret_cast<const T*>(storage_.get()), static_cast<std::size_t>(count_)};
  }
  template <typename T>
  std::span<T> mutable_data() {
    if (!is_stored_as<T>(dtype_)) fail_type(dtype_of<T>());
    return {reinterpret_cast<T*>(storage_.get()), static_cast<std::size_t>(count_)};
  }
  std::span<const std::string> strings() const;

  // The same elements under another shape of as many elements.
  Tensor reshaped(Shape shape) const;
  // The same storage under another type and shape of as many bytes.
  Tensor retyped(DType dtype, Shape shape) const;
  // True when no other tensor shares the storage and it is not borrowed: it may be overwritten.
  bool owns_alone() const { return owned_ && storage_.use_count() == 1; }

 private:
  std::size_t size() const {
    return dtype_ == DType::kString || !defined() ? 0 : static_cast<std::size_t>(byte_size(dtype_, count_));
  }
  [[noreturn]] void fail_type(DType wanted) const;

  DType dtype_ = DType::kUndefined;
  bool owned_ = true;
  std::int64_t count_ = 0;
  Shape shape_;
  std::shared_ptr<std::byte> storage_;
  std::shared_ptr<const std::vector<std::string>> strings_;
};

}  // namespace bantam

#include "base/error.h"
#include "runtime/op.h"

namespace bantam {
namespace {

std::int64_t checked_bytes(DType dtype, const Shape& shape) {
  const auto count = checked_element_count(shape);
  if (!count || *count > INT64_MAX / 8)
    fail("an output of {} {} is not possible", name(dtype), to_string(shape));
  return byte_size(dtype, *count);
}

}  // namespace

const Tensor* OpRun::optional_input(int index) const {
  return index < input_count() ? inputs_[static_cast<std::size_t>(index)].tensor : nullptr;
}

const Tensor& OpRun::input(int index) const {
  const Tensor* tensor = optional_input(index);
  if (tensor == nullptr) fail("input {} is missing", index);
  return *tensor;
}

bool OpRun::wants(int index) const {
  return index < output_count() && outputs_[static_cast<std::size_t>(index)].wanted;
}

Tensor& OpRun::output(int index, DType dtype, Shape shape) {
  Tensor& slot = outputs_[static_cast<std::size_t>(index)].tensor;
  const std::int64_t bytes = checked_bytes(dtype, shape);
  slot = Tensor(dtype, std::move(shape), memory_.allocate(bytes));
  return slot;
}

Tensor& OpRun::output_over(int index, int source, DType dtype, Shape shape) {
  const std::int64_t bytes = checked_bytes(dtype, shape);
  const OpInput from =
      source >= 0 && source < input_count() ? inputs_[static_cast<std::size_t>(source)] : OpInput{};
  if (!from.dying || !from.tensor->owns_alone() || std::ssize(from.tensor->bytes()) != bytes) {
    return output(index, dtype, std::move(shape));
  }
  Tensor& slot = outputs_[static_cast<std::size_t>(index)].tensor;
  slot = from.tensor->retyped(dtype, std::move(shape));
  return slot;
}

void OpRun::set_output(int index, Tensor tensor) {
  outputs_[static_cast<std::size_t>(index)].tensor = std::move(tensor);
}

void OpRun::keep_float32(int index) {
  outputs_[static_cast<std::size_t>(index)].stays_float = true;
}

Tensor OpRun::scratch(DType dtype, Shape shape) const {
  const std::int64_t bytes = checked_bytes(dtype, shape);
  return Tensor(dtype, std::move(shape), memory_.allocate(bytes));
}

}  // namespace bantam

#include "graph/shape.h"

#include "base/checked.h"
#include "base/error.h"

namespace bantam {

std::optional<std::int64_t> checked_element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t dim : shape) {
    if (dim < 0) return std::nullopt;
    if (dim == 0) {
      empty = true;
      continue;
    }
    const auto next = checked_mul(count, dim);
    if (!next) return std::nullopt;
    count = *next;
  }
  return empty ? 0 : count;
}

std::int64_t element_count(std::span<const std::int64_t> shape) {
  const auto count = checked_element_count(shape);
  BANTAM_ASSERT(count.has_value());
  return *count;
}

std::string to_string(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace bantam

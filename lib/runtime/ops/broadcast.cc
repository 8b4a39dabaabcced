#include "runtime/ops/broadcast.h"

namespace bantam {

Shape broadcast_shape(std::span<const Shape* const> shapes) {
  std::size_t rank = 0;
  for (const Shape* shape : shapes) rank = std::max(rank, shape->size());
  Shape result(rank, 1);
  for (const Shape* shape : shapes) {
    for (std::size_t i = 0; i < shape->size(); ++i) {
      std::int64_t& dim = result[rank - shape->size() + i];
      const std::int64_t other = (*shape)[i];
      if (other == dim || other == 1) continue;
      if (dim != 1) {
        std::string list;
        for (const Shape* each : shapes) list += (list.empty() ? "" : " and ") + to_string(*each);
        fail("shapes {} do not broadcast", list);
      }
      dim = other;
    }
  }
  return result;
}

BroadcastWalk::BroadcastWalk(std::span<const Shape* const> shapes, const Shape& output) {
  const std::size_t rank = output.size();
  total_ = element_count(output);
  std::vector<Offsets> full(rank, Offsets{});
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& shape = *shapes[i];
    std::int64_t stride = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
      full[rank - shape.size() + d][i] = shape[d] == 1 ? 0 : stride;
      stride *= shape[d];
    }
  }
  for (std::size_t d = 0; d < rank; ++d) {
    if (output[d] == 1) continue;
    bool merges = !dims_.empty();
    for (std::size_t i = 0; merges && i < shapes.size(); ++i)
      merges = strides_.back()[i] == full[d][i] * output[d];
    if (merges) {
      dims_.back() *= output[d];
      strides_.back() = full[d];
    } else {
      dims_.push_back(output[d]);
      strides_.push_back(full[d]);
    }
  }
  if (dims_.empty()) {
    dims_.push_back(1);
    strides_.push_back(Offsets{});
  }
}

}  // namespace bantam

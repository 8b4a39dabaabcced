#pragma once

#include <vector>

#include "graph/graph.h"
#include "runtime/memory.h"
#include "runtime/op.h"
#include "runtime/options.h"

namespace bantam {

// The values of a graph that are known before the first run: inline constants, weights (read from their
// sources when somebody asks, in row tiles, encoded by their codecs) and what folding adds. Tensors live in
// `memory`.
class Constants final : public ConstantLookup {
 public:
  Constants(const Graph& graph, const SessionOptions& options, Memory& memory);

  bool contains(ValueId id) const { return entry(id).kind != Kind::kNone; }
  const Tensor* constant(ValueId id) override;
  // The same as float32 when it is of a 16-bit float type.
  const Tensor* widened(ValueId id);
  void add(ValueId id, Tensor tensor);
  // Nobody will ask for it again.
  void drop(ValueId id);

 private:
  enum class Kind : std::uint8_t { kNone, kLoaded, kWeight };
  struct Entry {
    Kind kind = Kind::kNone;
    Tensor tensor;
    Tensor widened;
    std::size_t weight = 0;
    std::size_t part = 0;
    std::size_t value = 0;
  };
  const Entry& entry(ValueId id) const { return entries_.at(static_cast<std::size_t>(id)); }
  Entry& entry(ValueId id) { return entries_.at(static_cast<std::size_t>(id)); }
  Tensor load(const Entry& entry) const;

  const Graph& graph_;
  const SessionOptions& options_;
  Memory& memory_;
  std::vector<Entry> entries_;
};

// float16 or bfloat16 elements as float32 in new memory, and back (`narrow` is kF16 or kBF16).
Tensor to_float32(const Tensor& half, Memory& memory, ThreadPool* pool = nullptr);
Tensor to_half(const Tensor& floats, DType narrow, Memory& memory, ThreadPool* pool = nullptr);
inline bool is_half(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16;
}

}  // namespace bantam

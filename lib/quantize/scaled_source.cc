#include "quantize/scaled_source.h"

#include <cstring>

#include "base/error.h"
#include "quantize/canonical/kernels.h"

namespace bantam {
namespace {

class ScaledSource final : public TensorSource {
 public:
  ScaledSource(TensorSourcePtr source, AxisFactors factors)
      : source_(std::move(source)),
        factors_(std::move(factors)),
        spec_{source_->spec().name, DType::kF32, source_->spec().shape} {
    const auto width = static_cast<std::size_t>(spec_.width());
    if (factors_.columns.empty()) factors_.columns.assign(width, 1.0);
    if (factors_.rows.empty()) factors_.rows.assign(static_cast<std::size_t>(spec_.rows()), 1.0);
    BANTAM_ASSERT(is_float(source_->spec().dtype) && factors_.columns.size() == width &&
                  std::ssize(factors_.rows) == spec_.rows());
  }

  const TensorSpec& spec() const override { return spec_; }

  void read(RowRange rows, std::span<std::byte> out) const override {
    const auto width = static_cast<std::size_t>(spec_.width());
    const auto count = static_cast<std::size_t>(rows.count());
    BANTAM_ASSERT(out.size() == count * width * sizeof(float));
    std::vector<std::byte> scratch;
    // In place where the caller's memory is aligned for floats, which it is but for tests.
    const bool aligned = reinterpret_cast<std::uintptr_t>(out.data()) % alignof(float) == 0;
    std::vector<float> apart(aligned ? 0 : count * width);
    const std::span<float> values =
        aligned ? std::span(reinterpret_cast<float*>(out.data()), count * width) : std::span(apart);
    read_as_float(*source_, rows, scratch, values);
    for (std::size_t r = 0; r < count; ++r) {
      const double factor = factors_.rows[static_cast<std::size_t>(rows.begin) + r];
      scaling_kernels().scale(values.data() + r * width, factors_.columns.data(), factor,
                              static_cast<std::int64_t>(width));
    }
    if (!apart.empty()) std::memcpy(out.data(), apart.data(), out.size());
  }

 private:
  TensorSourcePtr source_;
  AxisFactors factors_;
  TensorSpec spec_;
};

}  // namespace

TensorSourcePtr make_scaled_source(TensorSourcePtr source, AxisFactors factors) {
  return std::make_shared<ScaledSource>(std::move(source), std::move(factors));
}

Graph with_sources(const Graph& model, const std::map<const TensorSource*, TensorSourcePtr>& sources) {
  Graph graph = model;
  for (Weight& weight : graph.weights) {
    if (const auto found = sources.find(weight.source.get()); found != sources.end())
      weight.source = found->second;
  }
  return graph;
}

}  // namespace bantam

// Ops that run along an axis or a diagonal: CumSum, CumProd, Trilu, ReverseSequence.
#include <cstring>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

struct Plus {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
  static constexpr int kStart = 0;
};
struct Times {
  template <typename T>
  T operator()(T a, T b) const {
    return a * b;
  }
  static constexpr int kStart = 1;
};

template <typename F>
RunFn make_cumulative(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const bool exclusive = node.flag("exclusive", false);
  const bool reverse = node.flag("reverse", false);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const int axis = checked_axis(to_integer(run.input(1)), x.rank());
    const std::int64_t dim = x.dim(axis);
    const std::int64_t inner = product(x.shape(), axis + 1, x.rank());
    const std::int64_t outer = product(x.shape(), 0, axis);
    Tensor& y = run.output(0, x.dtype(), x.shape());
    visit_types<float, double, std::int64_t, std::int32_t, std::uint64_t, std::uint32_t>(
        x.dtype(), [&]<typename T>() {
          using Wide = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>,
                                                   std::type_identity<T>>::type;
          const T* in = x.data<T>().data();
          T* out = y.mutable_data<T>().data();
          for (std::int64_t line = 0; line < outer * inner; ++line) {
            const std::int64_t base = line / inner * dim * inner + line % inner;
            Wide total = F::kStart;
            for (std::int64_t d = 0; d < dim; ++d) {
              const std::int64_t at = base + (reverse ? dim - 1 - d : d) * inner;
              const Wide next = F{}(total, static_cast<Wide>(in[at]));
              out[at] = static_cast<T>(exclusive ? total : next);
              total = next;
            }
          }
        });
  };
}

RunFn make_trilu(OpNode& node) {
  node.expect_inputs(1, 2);
  node.expect_outputs(1, 1);
  const bool upper = node.flag("upper", true);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    if (x.rank() < 2) fail("a tensor of rank {} where 2 or more was expected", x.rank());
    const std::int64_t rows = x.dim(x.rank() - 2);
    const std::int64_t columns = x.dim(x.rank() - 1);
    std::int64_t shift = run.has_input(1) ? to_integer(run.input(1)) : 0;
    shift = std::clamp<std::int64_t>(shift, -rows - 1, columns + 1);  // beyond it nothing changes
    Tensor& y = run.output_over(0, 0, x.dtype(), x.shape());
    if (y.bytes().data() != x.bytes().data())
      std::copy(x.bytes().begin(), x.bytes().end(), y.mutable_bytes().begin());
    if (x.count() == 0) return;
    visit_widths(x.dtype(), [&]<typename T>() {
      T* out = mutable_units<T>(y);
      parallel_pieces(run.pool(), x.count() / columns, kElementGrain / columns,
                      [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t line = begin; line < end; ++line) {
                          // Row r keeps columns from r + shift on (upper) or up to it (lower).
                          const std::int64_t edge = line % rows + shift;
                          T* row = out + line * columns;
                          if (upper) {
                            std::fill_n(row, std::clamp<std::int64_t>(edge, 0, columns), T{0});
                          } else {
                            const std::int64_t keep = std::clamp<std::int64_t>(edge + 1, 0, columns);
                            std::fill_n(row + keep, columns - keep, T{0});
                          }
                        }
                      });
    });
  };
}

RunFn make_reverse_sequence(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const std::int64_t batch_axis = node.integer("batch_axis", 1);
  const std::int64_t time_axis = node.integer("time_axis", 0);
  if ((batch_axis != 0 && batch_axis != 1) || time_axis != 1 - batch_axis) {
    fail("batch_axis {} and time_axis {} where 0 and 1 were expected", batch_axis, time_axis);
  }
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    if (x.rank() < 2) fail("a tensor of rank {} where 2 or more was expected", x.rank());
    const std::int64_t batch = x.dim(static_cast<int>(batch_axis));
    const std::int64_t time = x.dim(static_cast<int>(time_axis));
    const std::vector<std::int64_t> lengths = to_integers(run.input(1));
    if (std::ssize(lengths) != batch) fail("{} lengths for a batch of {}", lengths.size(), batch);
    Tensor& y = run.output(0, x.dtype(), x.shape());
    const std::int64_t block = product(x.shape(), 2, x.rank());
    visit_widths(x.dtype(), [&]<typename T>() {
      const T* in = units<T>(x);
      T* out = mutable_units<T>(y);
      for (std::int64_t b = 0; b < batch; ++b) {
        const std::int64_t length = lengths[static_cast<std::size_t>(b)];
        if (length < 0 || length > time) fail("length {} of {} steps", length, time);
        for (std::int64_t t = 0; t < time; ++t) {
          const std::int64_t source = t < length ? length - 1 - t : t;
          const auto at = [&](std::int64_t step) {
            return (batch_axis == 0 ? b * time + step : step * batch + b) * block;
          };
          std::copy_n(in + at(source), block, out + at(t));
        }
      }
    });
  };
}

}  // namespace

std::span<const OpDef> scan_ops() {
  static constexpr OpDef kOps[] = {
      {"", "CumProd", 26, make_cumulative<Times>},
      {"", "CumSum", 11, make_cumulative<Plus>},
      {"", "ReverseSequence", 10, make_reverse_sequence, Half::kAsIs},
      {"", "Trilu", 14, make_trilu, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam

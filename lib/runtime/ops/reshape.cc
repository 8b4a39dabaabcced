// Ops that change the shape and leave the elements where they are: views of their input.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

Shape resolve_reshape(const Tensor& x, std::vector<std::int64_t> wanted, bool zero_is_zero) {
  std::int64_t known = 1;
  int open = -1;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == 0 && !zero_is_zero) {
      if (i >= x.shape().size())
        fail("shape {} copies a dimension that {} has not", to_string(wanted), to_string(x.shape()));
      wanted[i] = x.shape()[i];
    }
    if (wanted[i] == -1) {
      if (open >= 0) fail("shape {} leaves two dimensions open", to_string(wanted));
      open = static_cast<int>(i);
      continue;
    }
    const auto next = checked_mul(known, wanted[i]);
    if (!next) fail("shape {} is not possible", to_string(wanted));
    known = *next;
  }
  if (open >= 0) {
    if (known == 0 || x.count() % known != 0) {
      fail("shape {} does not divide the {} elements of {}", to_string(wanted), x.count(),
           to_string(x.shape()));
    }
    wanted[static_cast<std::size_t>(open)] = x.count() / known;
  }
  return wanted;
}

RunFn make_reshape(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const bool allow_zero = node.opset() >= 14 && node.flag("allowzero", false);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    run.set_output(0, x.reshaped(resolve_reshape(x, to_integers(run.input(1)), allow_zero)));
  };
}

RunFn make_flatten(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t axis = node.integer("axis", 1);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const int split = axis == x.rank() ? x.rank() : checked_axis(axis, x.rank());
    run.set_output(0, x.reshaped({product(x.shape(), 0, split), product(x.shape(), split, x.rank())}));
  };
}

// The axes as a mask over `rank` dimensions.
std::vector<bool> axis_mask(std::span<const std::int64_t> axes, int rank) {
  std::vector<bool> mask(static_cast<std::size_t>(rank), false);
  for (const std::int64_t axis : axes) {
    const auto index = static_cast<std::size_t>(checked_axis(axis, rank));
    if (mask[index]) fail("axis {} is named twice", axis);
    mask[index] = true;
  }
  return mask;
}

void squeeze(OpRun& run, const std::optional<std::vector<std::int64_t>>& axes) {
  const Tensor& x = run.input(0);
  const std::vector<bool> mask = axis_mask(axes.value_or(std::vector<std::int64_t>{}), x.rank());
  Shape shape;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    const std::int64_t dim = x.shape()[i];
    if (axes ? !mask[i] : dim != 1) {
      shape.push_back(dim);
    } else if (dim != 1) {
      fail("axis {} of {} is not 1", i, to_string(x.shape()));
    }
  }
  run.set_output(0, x.reshaped(std::move(shape)));
}

void unsqueeze(OpRun& run, std::span<const std::int64_t> axes) {
  const Tensor& x = run.input(0);
  const std::vector<bool> mask = axis_mask(axes, x.rank() + static_cast<int>(axes.size()));
  Shape shape;
  std::size_t next = 0;
  for (const bool added : mask) shape.push_back(added ? 1 : x.shape()[next++]);
  run.set_output(0, x.reshaped(std::move(shape)));
}

RunFn make_squeeze_1(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [axes = node.integers("axes")](OpRun& run) { squeeze(run, axes); };
}
RunFn make_squeeze(OpNode& node) {
  node.expect_inputs(1, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    squeeze(run, run.has_input(1) ? std::optional(to_integers(run.input(1))) : std::nullopt);
  };
}
RunFn make_unsqueeze_1(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const auto axes = node.integers("axes");
  if (!axes) fail("attribute axes is missing");
  return [axes = *axes](OpRun& run) { unsqueeze(run, axes); };
}
RunFn make_unsqueeze(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) { unsqueeze(run, to_integers(run.input(1))); };
}

RunFn make_identity(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [](OpRun& run) { run.set_output(0, run.input(0)); };
}

// Inference: the input passes, nothing is dropped.
RunFn make_dropout(OpNode& node) {
  node.expect_inputs(1, 3);
  node.expect_outputs(1, 2);
  node.ignore("seed");
  node.ignore("ratio");
  return [](OpRun& run) {
    const Tensor& x = run.input(0);
    if (const Tensor* training = run.optional_input(2)) {
      const auto value = training->data<std::uint8_t>();
      const Tensor* ratio = run.optional_input(1);
      const bool keeps_all = ratio != nullptr && ratio->dtype() == DType::kF32 && ratio->count() == 1 &&
                             ratio->data<float>()[0] == 0.0f;
      if (!value.empty() && value[0] != 0 && !keeps_all) fail("training mode is not supported");
    }
    run.set_output(0, x);
    if (run.wants(1)) {
      auto mask = run.output(1, DType::kBool, x.shape()).mutable_bytes();
      std::fill(mask.begin(), mask.end(), std::byte{1});
    }
  };
}

RunFn make_expand(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& x = run.input(0);
    const Shape shape = broadcast_shape(x.shape(), to_integers(run.input(1)));
    if (shape == x.shape()) return run.set_output(0, x);
    Tensor& y = run.output(0, x.dtype(), shape);
    const Shape* shapes[] = {&x.shape()};
    const BroadcastWalk walk(shapes, shape);
    visit_widths(x.dtype(), [&]<typename T>() {
      const T* in = units<T>(x);
      T* out = mutable_units<T>(y);
      walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
        if (walk.inner_stride(0) == 1) {
          std::copy_n(in + offsets[0], count, out + at);
        } else {
          std::fill_n(out + at, count, in[offsets[0]]);
        }
      });
    });
  };
}

}  // namespace

std::span<const OpDef> reshape_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Dropout", 7, make_dropout, Half::kAsIs},      {"", "Expand", 8, make_expand, Half::kAsIs},
      {"", "Flatten", 1, make_flatten, Half::kAsIs},      {"", "Identity", 1, make_identity, Half::kAsIs},
      {"", "Reshape", 5, make_reshape, Half::kAsIs},      {"", "Squeeze", 1, make_squeeze_1, Half::kAsIs},
      {"", "Squeeze", 13, make_squeeze, Half::kAsIs},     {"", "Unsqueeze", 1, make_unsqueeze_1, Half::kAsIs},
      {"", "Unsqueeze", 13, make_unsqueeze, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam

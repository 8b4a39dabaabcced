// Joining, cutting and repeating along axes: Concat, Split, Tile.
#include <cstring>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

void expect_whole_bytes(const Tensor& tensor) {
  if (tensor.dtype() == DType::kString || info(tensor.dtype()).bits < 8) {
    fail("element type {} is not supported", name(tensor.dtype()));
  }
}

RunFn make_concat(OpNode& node) {
  node.expect_inputs(1, INT32_MAX);
  node.expect_inputs(node.input_count(), node.input_count());
  node.expect_outputs(1, 1);
  const std::int64_t wanted_axis = node.integer("axis");
  return [=](OpRun& run) {
    const Tensor& first = run.input(0);
    expect_whole_bytes(first);
    const int axis = checked_axis(wanted_axis, first.rank());
    Shape shape = first.shape();
    shape[static_cast<std::size_t>(axis)] = 0;
    for (int i = 0; i < run.input_count(); ++i) {
      const Tensor& x = run.input(i);
      if (x.dtype() != first.dtype())
        fail("input {} is {} where {} was expected", i, name(x.dtype()), name(first.dtype()));
      bool fits = x.rank() == first.rank();
      for (int d = 0; fits && d < x.rank(); ++d) fits = d == axis || x.dim(d) == first.dim(d);
      if (!fits)
        fail("input {} has shape {}, which does not fit {}", i, to_string(x.shape()),
             to_string(first.shape()));
      shape[static_cast<std::size_t>(axis)] += x.dim(axis);
    }
    Tensor& y = run.output(0, first.dtype(), shape);
    const std::int64_t width = info(first.dtype()).bits / 8;
    const std::int64_t outer = product(shape, 0, axis);
    const std::int64_t row = product(shape, axis, y.rank()) * width;
    std::byte* out = y.mutable_bytes().data();
    std::int64_t at = 0;
    for (int i = 0; i < run.input_count(); ++i) {
      const Tensor& x = run.input(i);
      const std::int64_t piece = product(x.shape(), axis, x.rank()) * width;
      const std::byte* in = x.bytes().data();
      if (piece > 0) {
        parallel_pieces(run.pool(), outer, kElementGrain * 4 / piece,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t o = begin; o < end; ++o) {
                            std::memcpy(out + o * row + at, in + o * piece, static_cast<std::size_t>(piece));
                          }
                        });
      }
      at += piece;
    }
  };
}

void split(OpRun& run, std::int64_t wanted_axis, std::span<const std::int64_t> lengths) {
  const Tensor& x = run.input(0);
  expect_whole_bytes(x);
  const int axis = checked_axis(wanted_axis, x.rank());
  if (std::ssize(lengths) != run.output_count())
    fail("{} lengths for {} outputs", lengths.size(), run.output_count());
  std::int64_t sum = 0;
  for (const std::int64_t length : lengths) {
    const auto next = checked_add(sum, length);
    if (!next) fail("lengths {} are not possible", to_string(lengths));
    sum = *next;
  }
  if (sum != x.dim(axis)) fail("lengths {} where axis {} is {}", to_string(lengths), axis, x.dim(axis));
  const std::int64_t width = info(x.dtype()).bits / 8;
  const std::int64_t outer = product(x.shape(), 0, axis);
  const std::int64_t inner = product(x.shape(), axis + 1, x.rank()) * width;
  const std::int64_t row = x.dim(axis) * inner;
  std::int64_t at = 0;
  for (int i = 0; i < run.output_count(); ++i) {
    const std::int64_t piece = lengths[static_cast<std::size_t>(i)] * inner;
    if (run.wants(i)) {
      Shape shape = x.shape();
      shape[static_cast<std::size_t>(axis)] = lengths[static_cast<std::size_t>(i)];
      std::byte* out = run.output(i, x.dtype(), shape).mutable_bytes().data();
      const std::byte* in = x.bytes().data() + at;
      if (piece > 0) {
        parallel_pieces(run.pool(), outer, kElementGrain * 4 / piece,
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t o = begin; o < end; ++o) {
                            std::memcpy(out + o * piece, in + o * row, static_cast<std::size_t>(piece));
                          }
                        });
      }
    }
    at += piece;
  }
}

// Equal pieces; from opset 18 the last one may be shorter.
std::vector<std::int64_t> even_lengths(std::int64_t dim, std::int64_t pieces, bool ragged) {
  if (!ragged && dim % pieces != 0) fail("an axis of {} does not split into {} equal pieces", dim, pieces);
  const std::int64_t length = ceil_div(dim, pieces);
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < pieces; ++i) {
    lengths.push_back(std::min(length, dim));
    dim -= lengths.back();
  }
  return lengths;
}

RunFn make_split_2(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, INT32_MAX);
  const std::int64_t axis = node.integer("axis", 0);
  return [=, lengths = node.integers("split")](OpRun& run) {
    const Tensor& x = run.input(0);
    split(run, axis,
          lengths ? *lengths : even_lengths(x.dim(checked_axis(axis, x.rank())), run.output_count(), false));
  };
}

RunFn make_split(OpNode& node) {
  node.expect_inputs(1, 2);
  node.expect_outputs(1, INT32_MAX);
  const std::int64_t axis = node.integer("axis", 0);
  const bool ragged = node.opset() >= 18;
  if (ragged && node.has_attribute("num_outputs")) {
    if (node.integer("num_outputs") != node.output_count())
      fail("num_outputs disagrees with the {} outputs", node.output_count());
  }
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    if (run.has_input(1)) return split(run, axis, to_integers(run.input(1)));
    split(run, axis, even_lengths(x.dim(checked_axis(axis, x.rank())), run.output_count(), ragged));
  };
}

RunFn make_tile(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& x = run.input(0);
    expect_whole_bytes(x);
    const std::vector<std::int64_t> repeats = to_integers(run.input(1));
    if (std::ssize(repeats) != x.rank()) fail("{} repeats for a tensor of rank {}", repeats.size(), x.rank());
    Shape shape = x.shape();
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const auto dim = checked_mul(shape[i], repeats[i]);
      if (!dim) fail("repeats {} of {} are not possible", to_string(repeats), to_string(x.shape()));
      shape[i] = *dim;
    }
    Tensor& y = run.output(0, x.dtype(), shape);
    if (y.count() == 0) return;
    // From the innermost axis outwards: each filled block is doubled along its axis, in place, from the back.
    const std::int64_t width = info(x.dtype()).bits / 8;
    std::byte* out = y.mutable_bytes().data();
    std::memcpy(out, x.bytes().data(), x.bytes().size());
    std::int64_t block = width;
    std::int64_t blocks = x.count();
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      block *= x.dim(axis);
      blocks /= x.dim(axis);
      const std::int64_t times = repeats[static_cast<std::size_t>(axis)];
      for (std::int64_t b = blocks; b-- > 0;) {
        for (std::int64_t r = times; r-- > 0;) {
          std::memmove(out + (b * times + r) * block, out + b * block, static_cast<std::size_t>(block));
        }
      }
      block *= times;
    }
  };
}

}  // namespace

std::span<const OpDef> concat_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Concat", 4, make_concat, Half::kAsIs},
      {"", "Split", 2, make_split_2, Half::kAsIs},
      {"", "Split", 13, make_split, Half::kAsIs},
      {"", "Tile", 6, make_tile, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam

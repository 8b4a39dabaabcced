// Transpose and the two ops that are a reshape around one.
#include "runtime/ops/transpose.h"

#include <cstring>
#include <numeric>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

// The axes of a transpose after dropping those of 1 and merging neighbours that stay neighbours.
struct Merged {
  std::vector<std::int64_t> dims;     // output order
  std::vector<std::int64_t> strides;  // of the input, per output axis
};

Merged merge_axes(const Shape& shape, std::span<const std::int64_t> permutation) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  Merged merged;
  for (const std::int64_t axis : permutation) {
    const std::int64_t dim = shape[static_cast<std::size_t>(axis)];
    const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
    if (dim == 1) continue;
    if (!merged.dims.empty() && merged.strides.back() == stride * dim) {
      merged.dims.back() *= dim;
      merged.strides.back() = stride;
    } else {
      merged.dims.push_back(dim);
      merged.strides.push_back(stride);
    }
  }
  return merged;
}

// out[r][c] = in[c * row_stride + r * column_stride]: a plane whose rows run along the output's inner axis.
template <typename T>
void copy_plane(const T* in, std::int64_t outer_stride, std::int64_t inner_stride, T* out, std::int64_t outer,
                std::int64_t inner) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t r = 0; r < outer; r += kBlock) {
    const std::int64_t r_end = std::min(outer, r + kBlock);
    for (std::int64_t c = 0; c < inner; c += kBlock) {
      const std::int64_t c_end = std::min(inner, c + kBlock);
      for (std::int64_t i = r; i < r_end; ++i) {
        for (std::int64_t j = c; j < c_end; ++j) out[i * inner + j] = in[i * outer_stride + j * inner_stride];
      }
    }
  }
}

template <typename T>
void transpose(const Merged& merged, const T* in, T* out, std::int64_t total, ThreadPool& pool) {
  const std::size_t rank = merged.dims.size();
  const std::int64_t inner = merged.dims[rank - 1];
  const std::int64_t inner_stride = merged.strides[rank - 1];
  // One item is a row (contiguous in input and output), or a plane of the last two output axes.
  const bool rows = inner_stride == 1;
  const std::size_t item_rank = rows ? 1 : 2;
  const std::int64_t item_size = rows ? inner : inner * merged.dims[rank - 2];
  const std::int64_t items = total / item_size;
  parallel_pieces(pool, items, std::max<std::int64_t>(1, kElementGrain / item_size),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t item = begin; item < end; ++item) {
                      std::int64_t offset = 0;
                      std::int64_t rest = item;
                      for (std::size_t d = rank - item_rank; d-- > 0;) {
                        offset += rest % merged.dims[d] * merged.strides[d];
                        rest /= merged.dims[d];
                      }
                      T* to = out + item * item_size;
                      if (rows) {
                        std::memcpy(to, in + offset, static_cast<std::size_t>(inner) * sizeof(T));
                      } else {
                        copy_plane(in + offset, merged.strides[rank - 2], inner_stride, to,
                                   merged.dims[rank - 2], inner);
                      }
                    }
                  });
}

RunFn make_transpose(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [perm = node.integers("perm")](OpRun& run) {
    const Tensor& x = run.input(0);
    std::vector<std::int64_t> order(x.shape().size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(order.size() - 1 - i);
    if (perm) {
      order = *perm;
      std::vector<std::int64_t> sorted = order;
      std::sort(sorted.begin(), sorted.end());
      std::vector<std::int64_t> all(x.shape().size());
      std::iota(all.begin(), all.end(), 0);
      if (sorted != all)
        fail("perm {} is no permutation of the axes of {}", to_string(order), to_string(x.shape()));
    }
    run.set_output(0, transposed(x, order, run.memory(), run.pool()));
  };
}

// [N, C, H, W] to [N, C / b^2, H * b, W * b].
RunFn make_depth_to_space(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t block = node.integer("blocksize");
  const std::string mode = node.opset() >= 11 ? node.text("mode", "DCR") : "DCR";
  if (mode != "DCR" && mode != "CRD") fail("attribute mode is \"{}\" where DCR or CRD was expected", mode);
  return [=, columns_first = mode == "DCR"](OpRun& run) {
    const Tensor& x = run.input(0);
    expect_rank(x, 4, "the input");
    const Shape& s = x.shape();
    if (block < 1 || block > INT32_MAX || s[1] % (block * block) != 0) {
      fail("{} channels in blocks of {}", s[1], block);
    }
    const std::int64_t depth = s[1] / (block * block);
    const Shape split = columns_first ? Shape{s[0], block, block, depth, s[2], s[3]}
                                      : Shape{s[0], depth, block, block, s[2], s[3]};
    const std::vector<std::int64_t> order = columns_first ? std::vector<std::int64_t>{0, 3, 4, 1, 5, 2}
                                                          : std::vector<std::int64_t>{0, 1, 4, 2, 5, 3};
    const Tensor moved = transposed(x.reshaped(split), order, run.memory(), run.pool());
    run.set_output(0, moved.reshaped({s[0], depth, s[2] * block, s[3] * block}));
  };
}

RunFn make_space_to_depth(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t block = node.integer("blocksize");
  const std::string mode = node.opset() >= 28 ? node.text("mode", "DCR") : "DCR";
  if (mode != "DCR" && mode != "CRD") fail("attribute mode is \"{}\" where DCR or CRD was expected", mode);
  const std::vector<std::int64_t> order = mode == "DCR" ? std::vector<std::int64_t>{0, 3, 5, 1, 2, 4}
                                                        : std::vector<std::int64_t>{0, 1, 3, 5, 2, 4};
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    expect_rank(x, 4, "the input");
    const Shape& s = x.shape();
    if (block < 1 || s[2] % block != 0 || s[3] % block != 0) fail("{} in blocks of {}", to_string(s), block);
    const Tensor split = x.reshaped({s[0], s[1], s[2] / block, block, s[3] / block, block});
    const Tensor moved = transposed(split, order, run.memory(), run.pool());
    run.set_output(0, moved.reshaped({s[0], s[1] * block * block, s[2] / block, s[3] / block}));
  };
}

}  // namespace

Tensor transposed(const Tensor& x, std::span<const std::int64_t> permutation, Memory& memory,
                  ThreadPool& pool) {
  Shape shape;
  for (const std::int64_t axis : permutation) shape.push_back(x.shape()[static_cast<std::size_t>(axis)]);
  const Merged merged = merge_axes(x.shape(), permutation);
  if (x.count() == 0 || merged.dims.size() <= 1) return x.reshaped(std::move(shape));
  Tensor y(x.dtype(), std::move(shape), memory.allocate(std::ssize(x.bytes())));
  visit_widths(x.dtype(),
               [&]<typename T>() { transpose(merged, units<T>(x), mutable_units<T>(y), x.count(), pool); });
  return y;
}

std::span<const OpDef> transpose_ops() {
  static constexpr OpDef kOps[] = {
      {"", "DepthToSpace", 1, make_depth_to_space, Half::kAsIs},
      {"", "SpaceToDepth", 1, make_space_to_depth, Half::kAsIs},
      {"", "Transpose", 1, make_transpose, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam

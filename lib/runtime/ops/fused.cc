// The internal operators that fusions make of attention and of normalized sums.
#include "runtime/fuse.h"
#include "runtime/kernels/attention.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/kv_cache.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

// [batch, rows, heads, size] with axes of 1 repeated as the products would broadcast them.
HeadsView view_of(const Tensor& x) {
  HeadsView view = rows_first(x.data<float>().data(), x.dim(2), x.dim(1), x.dim(3));
  if (x.dim(0) == 1) view.batch = 0;
  if (x.dim(2) == 1) view.head = 0;
  return view;
}

RunFn make_attention(OpNode& node) {
  node.expect_inputs(3, 4);
  node.expect_outputs(1, 1);
  const float scale = node.real("scale");
  return [=, &table = node.kernels()](OpRun& run) {
    const Tensor& q = run.input(0);
    const Tensor& k = run.input(1);
    const Tensor& v = run.input(2);
    for (const Tensor* tensor : {&q, &k, &v}) expect_rank(*tensor, 4, "an input of attention");
    if (k.dim(3) != q.dim(3) || v.dim(1) != k.dim(1)) {
      fail("shapes {}, {} and {} do not multiply", to_string(q.shape()), to_string(k.shape()),
           to_string(v.shape()));
    }
    const Shape heads[] = {{q.dim(0), q.dim(2)}, {k.dim(0), k.dim(2)}, {v.dim(0), v.dim(2)}};
    const Shape* shapes[] = {&heads[0], &heads[1], &heads[2]};
    const Shape both = broadcast_shape(shapes);
    Attention a;
    a.batch = both[0];
    a.heads = a.kv_heads = both[1];
    a.queries = q.dim(1);
    a.keys = k.dim(1);
    a.head_size = q.dim(3);
    a.value_size = v.dim(3);
    a.q = view_of(q);
    a.k = view_of(k);
    a.v = view_of(v);
    a.scale = scale;
    if (const Tensor* bias = run.optional_input(3)) set_bias(a, *bias);
    const Shape shape = {a.batch, a.queries, a.heads, a.value_size};
    a.out =
        rows_first(run.output(0, DType::kF32, shape).data<float>().data(), a.heads, a.queries, a.value_size);
    attend(a, table, run.memory(), run.pool());
  };
}

// Whether `block` fits the last axes of `whole`, so that its elements repeat in order.
bool repeats(const Shape& whole, const Shape& block) {
  std::size_t first = 0;
  while (first < block.size() && block[first] == 1) ++first;
  return std::equal(block.rbegin(), block.rend() - static_cast<std::ptrdiff_t>(first), whole.rbegin());
}

void add_broadcast(OpRun& run, const Tensor& a, const Tensor& b, const Shape& shape, float* out) {
  const Shape* shapes[] = {&a.shape(), &b.shape()};
  const BroadcastWalk walk(shapes, shape);
  const float* left = a.data<float>().data();
  const float* right = b.data<float>().data();
  walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      out[at + i] =
          left[offsets[0] + i * walk.inner_stride(0)] + right[offsets[1] + i * walk.inner_stride(1)];
    }
  });
}

RunFn make_add_norm(OpNode& node) {
  node.expect_inputs(3, 4);
  node.expect_outputs(1, 2);
  const float epsilon = node.real("epsilon", 1e-5f);
  const bool center = node.flag("center", true);
  node.ignore("stash_type");
  return [=, &table = node.kernels()](OpRun& run) {
    const Tensor* a = &run.input(0);
    const Tensor* b = &run.input(1);
    const Shape shape = broadcast_shape(a->shape(), b->shape());
    if (a->shape() != shape) std::swap(a, b);
    if (shape.empty()) fail("a normalized sum without axes");
    const std::int64_t width = shape.back();
    expect_shape(run.input(2), {width}, "the gain");
    const float* gain = run.input(2).data<float>().data();
    const float* shift = nullptr;
    if (const Tensor* tensor = run.optional_input(3)) {
      expect_shape(*tensor, {width}, "the shift");
      shift = tensor->data<float>().data();
    }
    // Rows of b follow the rows of a in order; every other broadcast is added up in a pass of its own.
    const bool in_order = a->shape() == shape && b->count() > 1 && repeats(shape, b->shape());
    const bool keep = run.wants(1);
    float* sums = keep ? run.output(1, DType::kF32, shape).mutable_data<float>().data() : nullptr;
    const int source = keep || a->shape() != shape ? -1 : a == &run.input(0) ? 0 : 1;
    float* out = run.output_over(0, source, DType::kF32, shape).mutable_data<float>().data();
    const float* left = a->data<float>().data();
    const float* right = b->data<float>().data();
    const std::int64_t rows = element_count(shape) / std::max<std::int64_t>(width, 1);
    float* to = keep ? sums : out;
    if (!in_order) add_broadcast(run, *a, *b, shape, to);
    parallel_pieces(run.pool(), rows, kElementGrain / 4 / std::max<std::int64_t>(width, 1),
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t at = begin * width; at < end * width; at += width) {
                        if (in_order) table.vector.add(left + at, right + at % b->count(), to + at, width);
                        table.vector.normalize(to + at, gain, shift, epsilon, center, out + at, width,
                                               nullptr, nullptr);
                      }
                    });
  };
}

}  // namespace

std::span<const OpDef> fused_ops() {
  static constexpr OpDef kOps[] = {
      {kInternalDomain, "AddNorm", 1, make_add_norm},
      {kInternalDomain, "Attention", 1, make_attention},
  };
  return kOps;
}

}  // namespace bantam

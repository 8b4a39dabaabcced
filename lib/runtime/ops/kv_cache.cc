#include "runtime/ops/kv_cache.h"

#include "runtime/ops/common.h"

namespace bantam {

HeadsView append_to_cache(OpRun& run, int index, const Tensor* past, const HeadsView& rows,
                          std::int64_t batch, std::int64_t heads, std::int64_t count, std::int64_t size) {
  std::int64_t before = 0;
  if (past != nullptr) {
    expect_rank(*past, 4, "the past");
    before = past->dim(2);
    expect_shape(*past, {batch, heads, before, size}, "the past");
  }
  const std::int64_t total = before + count;
  float* out = run.output(index, DType::kF32, {batch, heads, total, size}).mutable_data<float>().data();
  const float* old = past != nullptr ? past->data<float>().data() : nullptr;
  run.pool().run(batch * heads, [&](std::int64_t item, int) {
    float* to = out + item * total * size;
    if (before > 0) to = std::copy_n(old + item * before * size, before * size, to);
    for (std::int64_t r = 0; r < count; ++r)
      to = std::copy_n(rows.at(item / heads, item % heads, r), size, to);
  });
  return heads_first(out, heads, total, size);
}

void set_bias(Attention& attention, const Tensor& mask) {
  const std::int64_t full[] = {attention.batch, attention.heads, attention.queries, attention.keys};
  if (mask.rank() > 4) fail("a bias of shape {}", to_string(mask.shape()));
  std::int64_t stride = 1;
  for (int d = 3; d >= 0; --d) {
    const int own = d - (4 - mask.rank());
    const std::int64_t dim = own >= 0 ? mask.dim(own) : 1;
    if (dim != 1 && dim != full[d]) {
      fail("a bias of shape {} for scores of {}", to_string(mask.shape()), to_string(full));
    }
    attention.bias_strides[d] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
  attention.bias = mask.data<float>().data();
}

}  // namespace bantam

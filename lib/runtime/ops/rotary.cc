// RotaryEmbedding of com.microsoft and of opset 23.
#include "runtime/ops/rotary.h"

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {

void rotate(const Rotary& rotary, std::int64_t position, const float* x, float* out, std::int64_t head_size) {
  if (position < 0 || position >= rotary.positions)
    fail("position {} where the tables have {}", position, rotary.positions);
  const std::int64_t half = rotary.size / 2;
  const float* cos = rotary.cos + position * half;
  const float* sin = rotary.sin + position * half;
  for (std::int64_t i = 0; i < half; ++i) {
    const std::int64_t first = rotary.interleaved ? 2 * i : i;
    const std::int64_t second = rotary.interleaved ? 2 * i + 1 : i + half;
    const float real = x[first];
    const float imaginary = x[second];
    out[first] = real * cos[i] - imaginary * sin[i];
    out[second] = real * sin[i] + imaginary * cos[i];
  }
  if (out != x) std::copy(x + rotary.size, x + head_size, out + rotary.size);
}

namespace {

struct Settings {
  bool interleaved;
  std::int64_t heads;
  std::int64_t size;  // 0: the whole head
};

// [batch, rows, heads * size] or [batch, heads, rows, size].
struct Layout {
  std::int64_t batch, heads, rows, size;
  bool heads_first;
};

Layout layout_of(const Tensor& x, const Settings& settings, std::int64_t table_width) {
  if (x.rank() == 4) return {x.dim(0), x.dim(1), x.dim(2), x.dim(3), true};
  expect_rank(x, 3, "the input");
  // com.microsoft takes the head size from the tables where the number of heads is not given.
  std::int64_t heads = settings.heads;
  if (heads == 0 && table_width > 0) heads = x.dim(2) / (2 * table_width);
  if (heads < 1 || x.dim(2) % heads != 0) fail("{} columns for {} heads", x.dim(2), heads);
  return {x.dim(0), heads, x.dim(1), x.dim(2) / heads, false};
}

// `positions(b, r)` is the row of the tables.
template <typename Positions>
void rotate_all(OpRun& run, const Layout& layout, const Rotary& rotary, const Positions& positions) {
  if (rotary.size > layout.size || rotary.size % 2 != 0 || rotary.size < 0) {
    fail("{} columns to rotate in heads of {}", rotary.size, layout.size);
  }
  const Tensor& x = run.input(0);
  const float* in = x.data<float>().data();
  float* out = run.output(0, DType::kF32, x.shape()).mutable_data<float>().data();
  const auto view = layout.heads_first ? heads_first : rows_first;
  const HeadsView from = view(in, layout.heads, layout.rows, layout.size);
  const HeadsView to = view(out, layout.heads, layout.rows, layout.size);
  run.pool().run(layout.batch * layout.rows, [&](std::int64_t item, int) {
    const std::int64_t b = item / layout.rows;
    const std::int64_t r = item % layout.rows;
    for (std::int64_t h = 0; h < layout.heads; ++h) {
      rotate(rotary, positions(b, r), from.at(b, h, r), const_cast<float*>(to.at(b, h, r)), layout.size);
    }
  });
}

RunFn make_rotary_ms(OpNode& node) {
  node.expect_inputs(4, 4);
  node.expect_outputs(1, 1);
  const Settings settings = {node.flag("interleaved", false), node.integer("num_heads", 0),
                             node.integer("rotary_embedding_dim", 0)};
  if (node.integer("is_packed_batching", 0) != 0) fail("is_packed_batching is not supported");
  if (node.real("scale", 1.0f) != 1.0f) fail("scale is not supported");
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& cos = run.input(2);
    expect_rank(cos, 2, "cos_cache");
    expect_shape(run.input(3), cos.shape(), "sin_cache");
    const Layout layout = layout_of(x, settings, settings.size > 0 ? 0 : cos.dim(1));
    const Rotary rotary = {cos.data<float>().data(), run.input(3).data<float>().data(), cos.dim(0),
                           2 * cos.dim(1), settings.interleaved};
    if (settings.size > 0 && settings.size != rotary.size)
      fail("tables of {} columns for {} to rotate", cos.dim(1), settings.size);
    const auto ids = run.input(1).data<std::int64_t>();
    const bool one = ids.size() == 1;  // where the sequence starts
    if (!one) expect_shape(run.input(1), {layout.batch, layout.rows}, "position_ids");
    rotate_all(run, layout, rotary, [&](std::int64_t b, std::int64_t r) {
      return one ? ids[0] + r : ids[static_cast<std::size_t>(b * layout.rows + r)];
    });
  };
}

RunFn make_rotary(OpNode& node) {
  node.expect_inputs(3, 4);
  node.expect_outputs(1, 1);
  const Settings settings = {node.flag("interleaved", false), node.integer("num_heads", 0),
                             node.integer("rotary_embedding_dim", 0)};
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& cos = run.input(1);
    expect_shape(run.input(2), cos.shape(), "sin_cache");
    const Layout layout = layout_of(x, settings, 0);
    const std::int64_t size = settings.size > 0 ? settings.size : layout.size;
    const Tensor* ids = run.optional_input(3);
    expect_rank(cos, ids != nullptr ? 2 : 3, "cos_cache");
    if (cos.shape().back() != size / 2)
      fail("tables of {} columns for {} to rotate", cos.shape().back(), size);
    if (ids == nullptr) expect_shape(cos, {layout.batch, layout.rows, size / 2}, "cos_cache");
    if (ids != nullptr) expect_shape(*ids, {layout.batch, layout.rows}, "position_ids");
    const Rotary rotary = {cos.data<float>().data(), run.input(2).data<float>().data(),
                           ids != nullptr ? cos.dim(0) : layout.batch * layout.rows, size,
                           settings.interleaved};
    const std::vector<std::int64_t> positions =
        ids != nullptr ? to_integers(*ids) : std::vector<std::int64_t>{};
    rotate_all(run, layout, rotary, [&](std::int64_t b, std::int64_t r) {
      const std::int64_t at = b * layout.rows + r;
      return positions.empty() ? at : positions[static_cast<std::size_t>(at)];
    });
  };
}

}  // namespace

std::span<const OpDef> rotary_ops() {
  static constexpr OpDef kOps[] = {
      {"", "RotaryEmbedding", 23, make_rotary},
      {"com.microsoft", "RotaryEmbedding", 1, make_rotary_ms},
  };
  return kOps;
}

}  // namespace bantam

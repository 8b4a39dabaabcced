#include "shard/layout.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

std::int64_t alignment_of(std::int64_t bytes) {
  return bytes >= kMiB ? 64 * 1024 : 256;
}

std::int64_t stored_bytes(const WeightPart& part, const PartSpec& spec) {
  return byte_size(part.stored, element_count(spec.shape));
}

// Fills `layout` for one shard size.
void place_all(const Graph& graph, std::int64_t shard_bytes, Layout& layout) {
  layout.shards.clear();
  layout.places.clear();
  for (const Weight& weight : graph.weights) {
    const std::vector<PartSpec> specs = weight.codec->parts(weight.source->spec());
    std::vector<PartPlace> places;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const std::int64_t bytes = stored_bytes(weight.parts[i], specs[i]);
      if (bytes > kMaxFileBytes) {
        fail(
            "{}: {} bytes in one tensor; browsers cannot load more than {} in one file; choose a smaller dtype for it",
            weight.name, bytes, kMaxFileBytes);
      }
      std::int64_t offset =
          layout.shards.empty() ? 0 : round_up(layout.shards.back().bytes, alignment_of(bytes));
      if (layout.shards.empty() || (offset + bytes > shard_bytes && layout.shards.back().bytes > 0)) {
        const std::size_t index = layout.shards.size();
        layout.shards.push_back(
            {layout.onnx_name + "_data" + (index == 0 ? "" : "_" + std::to_string(index)), 0});
        offset = 0;
      }
      layout.shards.back().bytes = offset + bytes;
      places.push_back({layout.shards.size() - 1, offset, bytes});
    }
    layout.places.push_back(std::move(places));
  }
}

}  // namespace

Layout lay_out(const Graph& graph, std::string onnx_name, std::int64_t shard_bytes) {
  BANTAM_ASSERT(shard_bytes > 0);
  Layout layout;
  layout.onnx_name = std::move(onnx_name);
  std::int64_t size = shard_bytes;
  place_all(graph, size, layout);
  while (std::ssize(layout.shards) > kMaxShards) {
    std::int64_t total = 0;
    for (const ShardFile& shard : layout.shards) total += shard.bytes;
    // Grow to what an even split needs, and a little more each round for what whole tensors leave unused.
    size = round_up(std::max(ceil_div(total, kMaxShards), size + size / 16), kMiB);
    if (size > kMaxFileBytes) {
      fail("{}: {} bytes do not fit into {} files of 1 GiB; choose a smaller dtype", layout.onnx_name, total,
           kMaxShards);
    }
    place_all(graph, size, layout);
  }
  if (size != shard_bytes) {
    layout.notes.push_back(fmt::format("{}: shards of {} MiB, so that there are at most {}", layout.onnx_name,
                                       size / kMiB, kMaxShards));
  }
  for (const ShardFile& shard : layout.shards) {
    if (shard.bytes > size) {
      layout.notes.push_back(fmt::format("{}: {:.1f} MiB, because one tensor is larger than a shard",
                                         shard.name, static_cast<double>(shard.bytes) / kMiB));
    }
  }
  return layout;
}

}  // namespace bantam

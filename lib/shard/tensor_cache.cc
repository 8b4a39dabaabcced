#include "shard/tensor_cache.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bantam {

namespace {

// The format knows no 4-bit types: such tensors travel as bytes.
bool is_packed(DType dtype) {
  return info(dtype).bits == 4;
}

Shape shape_of(const WeightPart& part) {
  Shape shape = part.shapes[0];
  if (is_packed(part.stored)) {
    BANTAM_ASSERT(!shape.empty() && shape.back() % 2 == 0);
    shape.back() /= 2;
  }
  return shape;
}

}  // namespace

Json tensor_cache_index(const Graph& graph, const Layout& layout, const std::string& folder,
                        const std::vector<std::string>& md5) {
  BANTAM_ASSERT(md5.size() == layout.shards.size());
  Json shards = Json::array();
  for (std::size_t i = 0; i < layout.shards.size(); ++i) {
    shards.push_back({{"dataPath", folder + layout.shards[i].name},
                      {"format", "raw-shard"},
                      {"nbytes", layout.shards[i].bytes},
                      {"records", Json::array()},
                      {"md5sum", md5[i]}});
  }
  std::int64_t bytes = 0, parameters = 0, tensors = 0;
  for (std::size_t w = 0; w < graph.weights.size(); ++w) {
    const Weight& weight = graph.weights[w];
    parameters += element_count(weight.source->spec().shape);
    for (std::size_t p = 0; p < weight.parts.size(); ++p) {
      const WeightPart& part = weight.parts[p];
      const PartPlace& place = layout.places[w][p];
      // A tied head and embedding are one record: the first name, the first shape.
      shards[place.shard]["records"].push_back(
          {{"name", graph.value(part.values[0]).name},
           {"shape", shape_of(part)},
           {"dtype", std::string(name(is_packed(part.stored) ? DType::kU8 : part.stored))},
           {"format", "raw"},
           {"nbytes", place.bytes},
           {"byteOffset", place.offset}});
      bytes += place.bytes;
      ++tensors;
    }
  }
  const double bits =
      parameters == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters);
  return {{"metadata",
           {{"ParamSize", tensors}, {"ParamBytes", static_cast<double>(bytes)}, {"BitsPerParam", bits}}},
          {"records", std::move(shards)}};
}

}  // namespace bantam

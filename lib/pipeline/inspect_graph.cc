#include "pipeline/inspect_graph.h"

#include <algorithm>
#include <tuple>

namespace bantam {
namespace {

InspectedValue inspect_value(const Value& value) {
  return {value.name, value.dtype == DType::kUndefined ? std::string() : std::string(name(value.dtype)),
          value.has_dims, value.dims};
}

}  // namespace

InspectedGraph inspect_graph(const Graph& graph) {
  InspectedGraph result{graph.ir_version, graph.opsets, {}, {}, {}};
  std::map<std::pair<std::string, std::string>, std::int64_t> counts;
  for (const Node& node : graph.nodes) ++counts[{node.domain, node.type}];
  for (const auto& [op, count] : counts) result.ops.push_back({op.first, op.second, count});
  std::ranges::stable_sort(result.ops, std::ranges::greater(), &OpCount::count);
  for (const ValueId id : graph.inputs) result.inputs.push_back(inspect_value(graph.value(id)));
  for (const ValueId id : graph.outputs) result.outputs.push_back(inspect_value(graph.value(id)));
  return result;
}

std::vector<StoredTensor> stored_tensors(const Graph& graph) {
  std::vector<StoredTensor> stored;
  std::map<std::tuple<const File*, std::int64_t, std::int64_t>, std::size_t> by_place;
  for (const Weight& weight : graph.weights) {
    const TensorSpec& spec = weight.source->spec();
    const FilePlace place = weight.source->place();
    const ValueId value = weight.parts.at(0).values.at(0);
    if (place.file != nullptr && spec.bytes() > 0) {
      const auto [known, is_new] =
          by_place.try_emplace({place.file, place.offset, spec.bytes()}, stored.size());
      if (!is_new) {
        stored[known->second].values.push_back(value);
        continue;
      }
    }
    stored.push_back({spec, place, {value}});
  }
  for (const Constant& constant : graph.constants) {
    const TensorSpec spec{graph.value(constant.value).name, constant.data.dtype, constant.data.shape};
    stored.push_back({spec, {}, {constant.value}});
  }
  return stored;
}

std::vector<InspectedTensor> inspect_tensors(const Graph& graph, const std::filesystem::path& path) {
  std::vector<StoredTensor> stored = stored_tensors(graph);
  std::ranges::stable_sort(stored, {}, [](const StoredTensor& tensor) {
    const File* file = tensor.place.file;
    // The graph's own file comes first: its name is the beginning of the others'.
    return std::tuple(file == nullptr, file == nullptr ? std::string() : file->path().string(),
                      tensor.place.offset);
  });
  std::vector<InspectedTensor> tensors;
  for (const StoredTensor& entry : stored) {
    const File* file = entry.place.file;
    const bool outside = file != nullptr && file->path() != path;
    tensors.push_back({entry.spec.name,
                       {},
                       std::string(name(entry.spec.dtype)),
                       entry.spec.shape,
                       entry.spec.bytes(),
                       outside ? file->path().lexically_relative(path.parent_path()).string() : ""});
  }
  return tensors;
}

}  // namespace bantam

#include "pipeline/forecast/graph_memory.h"

#include <algorithm>
#include <map>
#include <variant>

namespace bantam {
namespace {

struct Use {
  bool gathered = false;         // the table of a Gather
  bool computed = false;         // anything else
  bool product = false;          // the second factor of a MatMul or Gemm
  bool integer_product = false;  // the second factor of a MatMulInteger
  std::int64_t readers = 0;
};

std::map<ValueId, Use> uses_of(const Graph& graph) {
  std::map<ValueId, Use> uses;
  for (const Node& node : graph.nodes) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      Use& use = uses[node.inputs[i]];
      const bool table = i == 0 && (node.type == "Gather" || node.type == "GatherBlockQuantized");
      (table ? use.gathered : use.computed) = true;
      ++use.readers;
      use.product |= i == 1 && (node.type == "MatMul" || node.type == "Gemm");
      use.integer_product |= i == 1 && node.type == "MatMulInteger";
    }
  }
  return uses;
}

std::int64_t integer(const Node& node, std::string_view name) {
  const Attribute* attribute = node.find(name);
  const auto* value = attribute == nullptr ? nullptr : std::get_if<std::int64_t>(&attribute->value);
  return value == nullptr ? 0 : *value;
}

// Columns of a matrix product with a known second factor; 0: it is none.
std::int64_t columns(const Node& node, const std::map<ValueId, Shape>& shapes) {
  if (node.type == "MatMulNBits") return integer(node, "N");
  if (node.type != "MatMul" && node.type != "MatMulInteger" && node.type != "Gemm") return 0;
  if (node.inputs.size() < 2) return 0;
  const auto shape = shapes.find(node.inputs[1]);
  if (shape == shapes.end() || shape->second.size() != 2) return 0;
  return shape->second[integer(node, "transB") != 0 ? 0 : 1];
}

// An initializer, wherever it is kept: importers make constants of small weights.
void add_initializer(const Graph& graph, ValueId value, DType stored, const Shape& shape,
                     const std::map<ValueId, Use>& uses, GraphMemory& memory) {
  const std::int64_t bytes = byte_size(stored, element_count(shape));
  const auto found = uses.find(value);
  const Use use = found == uses.end() ? Use{} : found->second;
  memory.weights += bytes;
  if (bytes > memory.largest) {
    memory.largest = bytes;
    memory.largest_name = graph.value(value).name;
  }
  if (stored == DType::kF32 && use.product) memory.matrices += bytes;
  if (stored == DType::kF16 && use.computed) memory.halves += bytes;
  const bool integers = (stored == DType::kI8 || stored == DType::kU8) && shape.size() == 2;
  if (integers && use.integer_product) memory.copies += (use.readers - 1) * bytes;
}

// Returns the shapes of the weights.
std::map<ValueId, Shape> add_weights(const Graph& graph, GraphMemory& memory) {
  const std::map<ValueId, Use> uses = uses_of(graph);
  std::map<ValueId, Shape> shapes;
  for (const Weight& weight : graph.weights) {
    for (const WeightPart& part : weight.parts) {
      for (std::size_t i = 0; i < part.values.size(); ++i) {
        add_initializer(graph, part.values[i], part.stored, part.shapes[i], uses, memory);
        shapes.emplace(part.values[i], part.shapes[i]);
      }
    }
  }
  for (const Constant& constant : graph.constants) {
    if (constant.data.dtype == DType::kString) continue;
    add_initializer(graph, constant.value, constant.data.dtype, constant.data.shape, uses, memory);
    shapes.emplace(constant.value, constant.data.shape);
  }
  return shapes;
}

void add_interface(const Graph& graph, GraphMemory& memory) {
  for (const ValueId id : graph.outputs) {
    const Value& value = graph.value(id);
    const bool cache = value.name.starts_with("present");
    if (!cache && value.has_dims && value.dims.size() == 3 && value.dims[2].is_fixed()) {
      memory.vocabulary = std::max(memory.vocabulary, value.dims[2].value);
    }
  }
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (!value.name.starts_with("past_key_values.") || !value.has_dims) continue;
    std::int64_t elements = 1;
    for (std::size_t i = 1; i < value.dims.size(); ++i) {
      if (value.dims[i].is_fixed()) elements *= std::max<std::int64_t>(value.dims[i].value, 1);
    }
    memory.cache_per_token += byte_size(value.dtype, elements);
  }
}

}  // namespace

GraphMemory graph_memory(const Graph& graph) {
  GraphMemory memory;
  const std::map<ValueId, Shape> shapes = add_weights(graph, memory);
  add_interface(graph, memory);
  for (const Node& node : graph.nodes) {
    const std::int64_t width = columns(node, shapes);
    if (width != memory.vocabulary) memory.widest = std::max(memory.widest, width);
    if (node.type == "MatMulNBits") {
      memory.scratch = std::max(memory.scratch, integer(node, "K") * integer(node, "N") * 4);
    }
  }
  return memory;
}

}  // namespace bantam

#include "pipeline/split_tables.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "base/error.h"
#include "base/units.h"
#include "convert/blocks/derived_source.h"
#include "graph/builder.h"
#include "quantize/schemes/rewriter.h"

namespace bantam {
namespace {

struct Slice {
  ValueId value = kNoValue;
  RowRange rows;
};

std::int64_t integer(const Node& node, std::string_view name, std::int64_t otherwise) {
  const Attribute* attribute = node.find(name);
  return attribute == nullptr ? otherwise : std::get<std::int64_t>(attribute->value);
}

bool is_lookup(const Node& node, std::size_t input) {
  return node.type == "Gather" && input == 0 && integer(node, "axis", 0) == 0;
}
bool is_product(const Node& node, std::size_t input) {
  return node.type == "Gemm" && input == 1 && integer(node, "transB", 0) == 1 &&
         node.find("alpha") == nullptr && node.find("beta") == nullptr;
}

class Splitter {
 public:
  Splitter(Graph& graph, std::int64_t element_bytes, std::int64_t limit, std::vector<std::string>& notes)
      : graph_(graph),
        rewriter_(graph),
        constants_(graph),
        element_bytes_(element_bytes),
        limit_(limit),
        notes_(notes) {}

  void run() {
    split_weights();
    if (slices_.empty()) return;
    const std::vector<Node> nodes = std::move(graph_.nodes);
    for (const Node& node : nodes) rewrite(node);
    rewriter_.finish();
    split_couplings();
    graph_.check();
  }

 private:
  bool can_split(ValueId value) const {
    for (const Node& node : graph_.nodes) {
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == value && !is_lookup(node, i) && !is_product(node, i)) return false;
      }
    }
    return std::ranges::find(graph_.outputs, value) == graph_.outputs.end();
  }

  void split_weights() {
    std::vector<Weight> weights;
    for (Weight& weight : graph_.weights) {
      const TensorSpec& spec = weight.source->spec();
      const std::int64_t row_bytes = spec.width() * element_bytes_;
      const bool large = spec.shape.size() == 2 && spec.rows() > 1 &&
                         spec.rows() > limit_ / std::max<std::int64_t>(row_bytes, 1);
      const bool table = weight.role == Role::kWordEmbedding || weight.role == Role::kHead;
      const bool plain = table && weight.parts.size() == 1 && weight.parts[0].values.size() == 1;
      if (!large || !plain || row_bytes > limit_ || !can_split(weight.parts[0].values[0])) {
        weights.push_back(std::move(weight));
      } else {
        split(weight, limit_ / row_bytes, weights);
      }
    }
    graph_.weights = std::move(weights);
  }

  // Slices of about equal size, each of at most `most` rows.
  void split(const Weight& weight, std::int64_t most, std::vector<Weight>& weights) {
    const TensorSpec& spec = weight.source->spec();
    const std::int64_t count = ceil_div(spec.rows(), most);
    const std::int64_t rows = ceil_div(spec.rows(), count);
    std::vector<Slice>& slices = slices_[weight.parts[0].values[0]];
    for (std::int64_t begin = 0; begin < spec.rows(); begin += rows) {
      const RowRange range{begin, std::min(begin + rows, spec.rows())};
      const std::string name = fmt::format("{}.{}", weight.name, slices.size());
      const ValueId value = graph_.add_value(name, DType::kF32);
      const Shape shape = {range.count(), spec.width()};
      weights.push_back({name,
                         weight.role,
                         make_rows_source(name, weight.source, {range}),
                         weight.codec,
                         {WeightPart{{value}, {shape}, weight.parts[0].stored}}});
      slices.push_back({value, range});
    }
    notes_.push_back(fmt::format("{}: split into {} tables, so that each fits into a GPU binding of {}",
                                 weight.name, slices.size(), format_bytes(limit_)));
  }

  void rewrite(const Node& node) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto found = slices_.find(node.inputs[i]);
      if (found == slices_.end()) continue;
      return is_lookup(node, i) ? rewrite_lookup(node, found->second) : rewrite_product(node, found->second);
    }
    rewriter_.keep(node);
  }

  ValueId scalar(std::int64_t value) { return constants_.scalar(value); }

  // Ids of other slices look up some row, which Where does not take. The last slice's are not clamped from
  // above, so that an id that is in no row is an error still.
  void rewrite_lookup(const Node& node, const std::vector<Slice>& slices) {
    const ValueId ids = node.inputs[1];
    ValueId rows = kNoValue;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      const std::string base = fmt::format("{}/{}", node.name, i);
      const auto op = [&](std::string_view type, std::vector<ValueId> inputs, DType dtype) {
        return rewriter_.emit(base, "", type, std::move(inputs), {}, dtype);
      };
      ValueId local = ids;
      if (i > 0)
        local =
            op("Max", {op("Sub", {ids, scalar(slices[i].rows.begin)}, DType::kI64), scalar(0)}, DType::kI64);
      if (i + 1 < slices.size()) local = op("Min", {local, scalar(slices[i].rows.count() - 1)}, DType::kI64);
      const ValueId found = op("Gather", {slices[i].value, local}, DType::kF32);
      if (i == 0) {
        rows = found;
        continue;
      }
      const ValueId here = op("Unsqueeze",
                              {op("GreaterOrEqual", {ids, scalar(slices[i].rows.begin)}, DType::kBool),
                               constants_.constant({-1})},
                              DType::kBool);
      if (i + 1 == slices.size()) {
        rewriter_.emit_into(node.outputs[0], base, "", "Where", {here, found, rows}, {});
      } else {
        rows = op("Where", {here, found, rows}, DType::kF32);
      }
    }
  }

  void rewrite_product(const Node& node, const std::vector<Slice>& slices) {
    const ValueId bias = node.inputs.size() > 2 ? node.inputs[2] : kNoValue;
    std::vector<ValueId> products;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      const std::string base = fmt::format("{}/{}", node.name, i);
      std::vector<ValueId> inputs = {node.inputs[0], slices[i].value};
      if (bias != kNoValue) {
        inputs.push_back(rewriter_.emit(base, "", "Slice",
                                        {bias, constants_.constant({slices[i].rows.begin}),
                                         constants_.constant({slices[i].rows.end}), constants_.constant({0})},
                                        {}, DType::kF32));
      }
      products.push_back(rewriter_.emit(base, "", "Gemm", std::move(inputs), node.attributes, DType::kF32));
    }
    rewriter_.emit_into(node.outputs[0], node.name, "", "Concat", std::move(products),
                        {{"axis", std::int64_t{1}}});
  }

  // Columns of a table are those of its slices; its rows are coupled to nothing.
  void split_couplings() {
    for (Coupling& coupling : graph_.couplings) {
      for (std::vector<CoupledAxis>* side : {&coupling.producers, &coupling.consumers}) split_axes(*side);
    }
    std::erase_if(graph_.couplings, [&](const Coupling& coupling) {
      const auto is_split = [&](const CoupledAxis& axis) { return slices_.contains(axis.weight); };
      return std::ranges::any_of(coupling.producers, is_split) ||
             std::ranges::any_of(coupling.consumers, is_split);
    });
  }

  void split_axes(std::vector<CoupledAxis>& axes) const {
    std::vector<CoupledAxis> result;
    for (const CoupledAxis& axis : axes) {
      const auto found = slices_.find(axis.weight);
      if (found == slices_.end() || axis.axis != CoupledAxis::Axis::kColumns) {
        result.push_back(axis);
        continue;
      }
      for (const Slice& slice : found->second) {
        result.push_back(axis);
        result.back().weight = slice.value;
      }
    }
    axes = std::move(result);
  }

  Graph& graph_;
  Rewriter rewriter_;
  GraphBuilder constants_;
  std::int64_t element_bytes_, limit_;
  std::vector<std::string>& notes_;
  std::map<ValueId, std::vector<Slice>> slices_;  // by the value of the whole table
};

}  // namespace

void split_tables(Graph& graph, std::int64_t element_bytes, std::int64_t limit,
                  std::vector<std::string>& notes) {
  BANTAM_ASSERT(element_bytes > 0 && limit > 0);
  Splitter(graph, element_bytes, limit, notes).run();
}

}  // namespace bantam

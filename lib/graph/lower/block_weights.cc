#include "graph/lower/block_weights.h"

#include "base/checked.h"
#include "base/error.h"
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

bool is_matmul(const Node& node) {
  return node.type == "MatMulNBits" && node.domain == kMicrosoft;
}
bool is_gather(const Node& node) {
  return node.type == "GatherBlockQuantized" && node.domain == kMicrosoft;
}
ValueId codes_of(const Node& node) {
  return input(node, is_matmul(node) ? 1 : 0);
}

std::byte sign_bits(std::int64_t bits) {
  return std::byte(bits == 4 ? 0x88 : 0x80);
}

}  // namespace

BlockWeights::BlockWeights(Graph& graph, const std::vector<Node>& nodes, const std::vector<bool>& replaced,
                           bool digits)
    : digits_(digits) {
  for (std::size_t w = 0; w < graph.weights.size(); ++w) {
    for (std::size_t p = 0; p < graph.weights[w].parts.size(); ++p) {
      for (const ValueId value : graph.weights[w].parts[p].values) places_[value] = {w, p};
    }
  }
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (replaced[n] && (is_matmul(nodes[n]) || is_gather(nodes[n]))) {
      with_context(nodes[n].name, [&] { note(nodes[n], true); });
    }
  }
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (!(replaced[n] && (is_matmul(nodes[n]) || is_gather(nodes[n])))) note(nodes[n], false);
  }
  for (auto& entry : weights_) {
    with_context(graph.weights[entry.first].name, [&] { choose(graph, entry.second); });
  }
}

void BlockWeights::note(const Node& node, bool replaced) {
  if (!replaced) {
    for (const ValueId id : node.inputs) {
      const auto found = places_.find(id);
      if (found == places_.end() || found->second.part == 1) continue;  // scales keep their type
      const auto weight = weights_.find(found->second.weight);
      if (weight != weights_.end()) weight->second.shared = true;
    }
    return;
  }
  const auto found = places_.find(codes_of(node));
  if (found == places_.end() || found->second.part != 0) {
    fail("the codes of {} are no stored weight; that is not covered here", node.type);
  }
  const bool zeros = input(node, 3) != kNoValue;
  BlockWeight weight{.index = found->second.weight,
                     .bits = integer(node, "bits", 4),
                     .block = integer(node, "block_size", 128),
                     .zeros = zeros};
  const auto [known, fresh] = weights_.emplace(weight.index, weight);
  BlockWeight& entry = known->second;
  if (!fresh && (entry.bits != weight.bits || entry.block != weight.block || entry.zeros != zeros)) {
    fail("{} reads its codes otherwise than another node does", node.type);
  }
  (is_matmul(node) ? entry.matmul : entry.gather) = true;
}

void BlockWeights::choose(Graph& graph, BlockWeight& weight) const {
  if ((weight.bits != 4 && weight.bits != 8) || weight.block < 16) {
    fail("blocks of {} codes of {} bits are not covered here", weight.block, weight.bits);
  }
  Weight& stored = graph.weights[weight.index];
  const TensorSpec& spec = stored.source->spec();
  std::vector<WeightPart>& parts = stored.parts;
  const Shape& scales = parts.at(1).shapes.at(0);
  if (scales.size() != 2) fail("scales of shape {} where [rows, blocks] was expected", to_string(scales));
  weight.rows = scales[0];
  weight.blocks = scales[1];
  WeightPart& codes = parts[0];
  const std::int64_t width = element_count(codes.shapes[0]) * 8 / weight.bits / weight.rows;
  weight.width = width;
  const bool whole = width == weight.blocks * weight.block;  // rows are padded to whole blocks
  const bool raw = stored.codec->is_raw();
  const bool four = weight.bits == 4;
  const bool typed = !weight.shared && !(four && weight.gather) && (whole || !weight.matmul);
  if (weight.matmul && !whole) fail("rows of {} codes where whole blocks were expected", width);
  const auto retype = [&](std::size_t part, DType dtype, Shape shape) {
    WeightPart& changed = parts[part];
    changed.values.resize(1);
    changed.shapes = {std::move(shape)};
    changed.stored = dtype;
    graph.value(changed.values[0]).dtype = dtype;
    return changed.values[0];
  };
  weight.zero_points = weight.zeros ? parts.at(2).values[0] : kNoValue;
  const Shape flat = {weight.rows, width};
  if (typed && !weight.zeros && !raw && digits_ && weight.matmul && !four) {
    weight.form = BlockForm::kDigits;
    stored.codec = digits_codec(stored.codec);
    const std::vector<PartSpec> specs = stored.codec->parts(spec);
    codes.values.resize(1);
    codes.shapes = {specs[0].shape};
    weight.codes = codes.values[0];
    const std::string base = graph.value(weight.codes).name;
    graph.value(weight.codes).name = base + "_high";
    weight.low = graph.add_value(base + "_low", DType::kU8);
    parts.insert(parts.begin() + 1, WeightPart{{weight.low}, {specs[1].shape}, DType::kU8});
    return;
  }
  if (typed && !weight.zeros && !raw) {
    weight.form = BlockForm::kSigned;
    const DType dtype = four ? DType::kI4 : DType::kI8;
    stored.codec = recast_codec(stored.codec, {{0, dtype, flat, sign_bits(weight.bits)}});
    weight.codes = retype(0, dtype, flat);
    return;
  }
  const Shape zero_points = {weight.rows, weight.blocks};
  if (typed && four && weight.zeros && weight.blocks % 2 == 0) {
    weight.form = BlockForm::kPacked;
    stored.codec = recast_codec(stored.codec, {{0, DType::kU4, flat}, {2, DType::kU4, zero_points}});
    weight.codes = retype(0, DType::kU4, flat);
    weight.zero_points = retype(2, DType::kU4, zero_points);
    return;
  }
  weight.form = BlockForm::kBytes;
  const Shape rows = {weight.rows, width * weight.bits / 8};
  for (std::size_t i = 0; i < codes.values.size(); ++i) {
    if (codes.shapes[i] == rows) weight.codes = codes.values[i];
  }
  if (weight.codes == kNoValue && !weight.shared) {
    codes.values.resize(1);
    codes.shapes = {rows};
    weight.codes = codes.values[0];
  } else if (weight.codes == kNoValue) {
    weight.codes = graph.add_value(graph.value(codes.values[0]).name + "_rows", DType::kU8);
    codes.values.push_back(weight.codes);
    codes.shapes.push_back(rows);
  }
  BANTAM_ASSERT(spec.rows() == weight.rows || raw);
}

const BlockWeight& BlockWeights::of(const Node& node) const {
  const auto found = places_.find(codes_of(node));
  BANTAM_ASSERT(found != places_.end());
  return weights_.at(found->second.weight);
}

}  // namespace bantam

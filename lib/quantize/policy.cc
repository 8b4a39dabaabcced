#include "quantize/policy.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"

namespace bantam {
namespace {

// Weights below this many elements are not worth another operator and its scales.
constexpr std::int64_t kSmallestQuantized = 1024;

bool attribute_is(const Node& node, std::string_view name, std::int64_t wanted, std::int64_t fallback) {
  const Attribute* attribute = node.find(name);
  const auto* value = attribute == nullptr ? nullptr : std::get_if<std::int64_t>(&attribute->value);
  return (value == nullptr ? fallback : *value) == wanted;
}

bool is_linear(const Node& node) {
  return node.domain.empty() && node.type == "Gemm" && attribute_is(node, "transB", 1, 0) &&
         attribute_is(node, "transA", 0, 0) && node.find("alpha") == nullptr && node.find("beta") == nullptr;
}

bool is_gather(const Node& node) {
  return node.domain.empty() && node.type == "Gather" && attribute_is(node, "axis", 0, 0);
}

// The widest block that divides a row: 8-bit codes lose next to nothing with long blocks, and a row that is a
// whole number of blocks lets a tied head read the embedding's bytes.
std::int64_t eight_bit_block(std::int64_t width) {
  for (const std::int64_t block : {128, 64, 32, 16}) {
    if (width % block == 0) return block;
  }
  return 16;
}

Decision blockwise(int bits, std::int64_t width, const Variant& variant, bool embedding) {
  // GatherBlockQuantized with zero points fails on WebGPU for odd block counts (quantization study), and 8
  // bits do not need them: embeddings are always symmetric, 8-bit weights unless a rule says otherwise.
  if (bits == 8) return {Scheme::kBlockwise, 8, eight_bit_block(width), true};
  return {Scheme::kBlockwise, bits, variant.block_size, variant.symmetric || embedding};
}

Decision dynamic_int8(const Variant& variant) {
  return {variant.dtype == DtypeName::kUint8 ? Scheme::kDynamicUint8 : Scheme::kDynamicInt8, 8, 0, true};
}

Decision by_rule(const Rule& rule, std::int64_t width, const Variant& variant, bool embedding) {
  Decision decision = blockwise(rule.bits, width, variant, embedding);
  if (rule.block_size) decision.block_size = *rule.block_size;
  if (rule.symmetric && !embedding) decision.symmetric = *rule.symmetric;
  return decision;
}

bool rule_matches(const Rule& rule, const Weight& weight) {
  if (rule.role && *rule.role != weight.role) return false;
  if (rule.layers) {
    const std::int64_t layer = layer_of(weight.name);
    if (layer < rule.layers->first || layer > rule.layers->last) return false;
  }
  return rule.match.empty() || glob_match(rule.match, weight.name);
}

std::string describe(const Rule& rule) {
  std::string text;
  const auto add = [&](std::string part) { text += (text.empty() ? "" : ", ") + std::move(part); };
  if (rule.role) add(std::string(name(*rule.role)));
  if (rule.layers) add(fmt::format("layers {}-{}", rule.layers->first, rule.layers->last));
  if (!rule.match.empty()) add("\"" + rule.match + "\"");
  return text;
}

// What the second layer of a gated MLP reads is a product of two activations: a few of its elements are far
// larger than all others, and one scale for a whole row of them loses the others (docs/quality.md).
bool reads_gated_product(const Graph& graph, const Weight& weight, const WeightUses& uses) {
  if (weight.role != Role::kMlpDown || uses.linears.empty()) return false;
  const ValueId input = graph.nodes[uses.linears[0]].inputs[0];
  return std::ranges::any_of(graph.nodes, [&](const Node& node) {
    return node.type == "Mul" && node.domain.empty() && node.outputs[0] == input;
  });
}

bool is_decoder(const Graph& graph) {
  // What goes round is a cache.
  return std::ranges::any_of(
      graph.inputs, [&](ValueId input) { return graph.value(input).precision == Precision::kFollow; });
}

// Weights that are the most sensitive per byte, and get eight bits among four: values and keys. On trained
// models this takes a third (decoders) to three quarters (encoders) of the KL away for 4 % more bytes
// (docs/quantization.md). In decoders the keys of the layers in the middle hardly gain.
std::vector<bool> sensitive_weights(const Graph& graph) {
  std::vector<bool> sensitive(graph.weights.size(), false);
  std::vector<std::size_t> keys;
  for (std::size_t w = 0; w < graph.weights.size(); ++w) {
    if (graph.weights[w].source->spec().shape.size() != 2) continue;
    if (graph.weights[w].role == Role::kAttentionV) sensitive[w] = true;
    if (graph.weights[w].role == Role::kAttentionK) keys.push_back(w);
  }
  // An eighth of them in front, a quarter at the end.
  const bool decoder = is_decoder(graph);
  const std::size_t first = decoder ? (keys.size() + 7) / 8 : keys.size(), last = (keys.size() + 3) / 4;
  for (std::size_t i = 0; i < keys.size(); ++i) sensitive[keys[i]] = i < first || i + last >= keys.size();
  return sensitive;
}

Decision default_decision(const Graph& graph, const Weight& weight, const WeightUses& uses,
                          const Variant& variant, bool sensitive) {
  const TensorSpec& spec = weight.source->spec();
  const bool embedding = !uses.gathers.empty();
  const bool used = embedding || !uses.linears.empty();
  if (uses.other || !used || spec.shape.size() != 2) return {};
  if (element_count(spec.shape) < kSmallestQuantized || weight.role == Role::kTypeEmbedding) return {};
  switch (variant.dtype) {
    case DtypeName::kFp32:
    case DtypeName::kFp16:
      return {};
    case DtypeName::kQ8:
    case DtypeName::kInt8:
    case DtypeName::kUint8:
      // A decoder's head reads all of its weight for every token: integers, which are several times as fast
      // on wasm as blocks. An embedding tied to it is looked up in the same bytes, unless
      // GatherBlockQuantized is asked for.
      if (is_decoder(graph) && !variant.fused_embeddings.value_or(false) && !uses.linears.empty() &&
          (embedding || weight.role == Role::kHead)) {
        return dynamic_int8(variant);
      }
      // Pooler and heads see one row per sequence or feed the answer directly: weight-only 8 bit costs no
      // speed there and leaves their activations exact. A head tied to the embedding must read the
      // embedding's bytes.
      if (embedding || weight.role == Role::kPooler || weight.role == Role::kHead ||
          weight.role == Role::kHeadTransform) {
        return blockwise(8, spec.width(), variant, embedding);
      }
      if (reads_gated_product(graph, weight, uses)) {
        Decision decision = dynamic_int8(variant);
        decision.digits = 2;
        return decision;
      }
      if (variant.static_int8) return {Scheme::kStaticInt8, 8, 0, true};
      return dynamic_int8(variant);
    case DtypeName::kQ4:
    case DtypeName::kQ4F16:
      if (sensitive) return blockwise(8, spec.width(), variant, false);
      if (embedding || weight.role == Role::kPooler || weight.role == Role::kHead ||
          weight.role == Role::kHeadTransform) {
        return blockwise(8, spec.width(), variant, embedding);
      }
      return blockwise(4, spec.width(), variant, embedding);
  }
  return {};
}

}  // namespace

bool fused_lookup(const Graph& graph, const Variant& variant) {
  if (variant.fused_embeddings) return *variant.fused_embeddings;
  // What a page asks for on WebGPU only, of models whose memory counts: one operator there, where uint8
  // Gather has no kernel and the table would have to lie in the processor's memory as well as in the GPU's.
  return variant.dtype == DtypeName::kQ4F16 && is_decoder(graph);
}

std::int64_t layer_of(std::string_view name) {
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, end);
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (!part.empty() && error == std::errc() && stop == part.data() + part.size() && number >= 0)
      return number;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return -1;
}

void choose_grids(const Graph& graph, const ActivationRanges& ranges, std::vector<Decision>& decisions,
                  std::vector<std::string>& notes) {
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    if (decisions[i].scheme != Scheme::kStaticInt8) continue;
    const auto found = ranges.find(graph.weights[i].name);
    if (found != ranges.end()) {
      decisions[i].grid = grid_of(found->second.low, found->second.high);
      continue;
    }
    decisions[i].scheme = Scheme::kDynamicInt8;
    notes.push_back(
        fmt::format("{}: calibration saw nothing of its input; it stays dynamic", graph.weights[i].name));
  }
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<WeightUses> find_uses(const Graph& graph) {
  std::map<ValueId, std::size_t> weight_of;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    for (const WeightPart& part : graph.weights[i].parts) {
      for (const ValueId value : part.values) weight_of[value] = i;
    }
  }
  std::vector<WeightUses> uses(graph.weights.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto found = weight_of.find(node.inputs[i]);
      if (found == weight_of.end()) continue;
      WeightUses& use = uses[found->second];
      if (i == 1 && is_linear(node)) {
        use.linears.push_back(n);
      } else if (i == 0 && is_gather(node)) {
        use.gathers.push_back(n);
      } else {
        use.other = true;
      }
    }
  }
  return uses;
}

std::vector<Decision> decide(const Graph& graph, const std::vector<WeightUses>& uses,
                             const Variant& variant) {
  std::vector<Decision> decisions;
  const std::vector<bool> sensitive = sensitive_weights(graph);
  std::vector<bool> rule_used(variant.rules.size(), false);
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    const Weight& weight = graph.weights[i];
    Decision decision = default_decision(graph, weight, uses[i], variant, sensitive[i]);
    const bool can_change = decision.scheme != Scheme::kFloat;
    for (std::size_t r = 0; r < variant.rules.size(); ++r) {
      const Rule& rule = variant.rules[r];
      if (!rule_matches(rule, weight)) continue;
      rule_used[r] = true;
      if (rule.keep) decision = {};
      if (rule.bits != 0 && can_change) {
        decision = by_rule(rule, weight.source->spec().width(), variant, !uses[i].gathers.empty());
      }
    }
    decisions.push_back(decision);
  }
  for (std::size_t r = 0; r < rule_used.size(); ++r) {
    if (rule_used[r]) continue;
    fail_usage("the rule for {} matches no weight; bantam inspect --all lists names and roles",
               describe(variant.rules[r]));
  }
  return decisions;
}

}  // namespace bantam

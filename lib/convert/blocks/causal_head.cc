#include "convert/blocks/causal_head.h"

#include <limits>

#include "convert/blocks/coupling.h"
#include "convert/blocks/vocabulary.h"

namespace bantam {

ValueId token_table(const Module& root, const CausalNames& names, const DecoderConfig& config) {
  const std::string kept = (root / names.embedding).tensor("weight");
  const std::string copy = (root / names.head).tensor("weight");
  const Shape shape = {config.vocabulary, config.hidden};
  TensorSourcePtr source =
      config.tied ? claim_tied(root.weights(), kept, copy, shape) : root.weights().claim(kept, shape);
  std::string name = source->spec().name;
  return root.builder().weight(std::move(name), Role::kWordEmbedding, std::move(source));
}

ValueId embed_ids(const Module& root, const CausalNames& names, DecoderInputs& inputs, ValueId table,
                  std::int64_t width) {
  const Module module = root / names.embedding;
  const ValueId rows = module.op("Gather", {table, inputs.ids()});
  return module.op("Reshape", {rows, module.builder().constant({-1, width})});
}

void output_logits(const Module& root, const CausalNames& names, DecoderInputs& inputs, ValueId x,
                   ValueId table, const DecoderConfig& config, LinearBias bias) {
  const Module head = root / names.head;
  GraphBuilder& builder = head.builder();
  // From -n on, and since there is no -0, from the first on for 0.
  const ValueId begin =
      head.op("Neg", {head.op("Reshape", {inputs.logits_to_keep(), builder.constant({1})})});
  const ValueId end = builder.constant({std::numeric_limits<std::int64_t>::max()});
  const ValueId by_sequence = head.op("Reshape", {x, inputs.shape({config.hidden})});
  const ValueId kept = head.op("Slice", {by_sequence, begin, end, builder.constant({1})});
  const ValueId rows = head.op("Reshape", {kept, builder.constant({-1, config.hidden})});
  const Shape shape = {config.vocabulary, config.hidden};
  const ValueId weight = config.tied ? table : head.weight("weight", shape, Role::kHead);
  const bool add = bias == LinearBias::kAdd;
  const ValueId logits =
      linear(head, rows, weight, add ? head.weight("bias", {config.vocabulary}, Role::kBias) : kNoValue);
  if (!config.tied) couple_norm(head, x, std::span(&logits, 1));
  const ValueId target = head.op("Concat", {inputs.batch(), builder.constant({-1, config.vocabulary})},
                                 {{"axis", std::int64_t{0}}});
  builder.output(head.op("Reshape", {logits, target}), "logits",
                 {Dim::named("batch_size"), Dim::named("num_logits"), Dim::fixed(config.vocabulary)});
}

}  // namespace bantam

#include "convert/blocks/vocabulary.h"

#include "convert/blocks/heads.h"
#include "convert/blocks/tied_source.h"

namespace bantam {

TensorSourcePtr claim_tied(Weights& weights, const std::string& kept, const std::string& copy,
                           const Shape& shape) {
  TensorSourcePtr source = weights.claim({kept, copy}, shape);
  if (kept == copy || !weights.has(kept) || !weights.has(copy)) return source;
  return make_tied_source(std::move(source), weights.claim(copy, shape));
}

ValueId word_embeddings(const Module& root, const VocabularyNames& names, const EncoderConfig& config,
                        Task task) {
  const std::string kept = (root / names.embedding).tensor("weight");
  const std::string copy = (root / names.decoder).tensor("weight");
  const Shape shape = {config.vocabulary, config.embedding};
  Weights& weights = root.weights();
  TensorSourcePtr source;
  if (!config.tied) {
    source = weights.claim(kept, shape);
  } else if (task == Task::kFillMask) {
    source = claim_tied(weights, kept, copy, shape);
  } else {
    source = weights.claim({kept, copy}, shape);
  }
  std::string name = source->spec().name;
  return root.builder().weight(std::move(name), Role::kWordEmbedding, std::move(source));
}

ValueId decoder_weight(const Module& root, const VocabularyNames& names, const EncoderConfig& config,
                       ValueId embeddings) {
  if (config.tied) return embeddings;
  return (root / names.decoder).weight("weight", {config.vocabulary, config.embedding}, Role::kHead);
}

ValueId decoder_bias(const Module& root, const VocabularyNames& names, const EncoderConfig& config) {
  // Heads keep the bias beside the output layer, or inside it, or in both places.
  const std::string beside = (root / names.bias).tensor("bias");
  const std::string inside = (root / names.decoder).tensor("bias");
  Weights& weights = root.weights();
  TensorSourcePtr source;
  if (config.tied) {
    source = claim_tied(weights, beside, inside, {config.vocabulary});
  } else {
    source = weights.claim({inside, beside}, {config.vocabulary});
    if (inside != beside && weights.has(inside)) weights.drop({beside});
  }
  std::string name = source->spec().name;
  return root.builder().weight(std::move(name), Role::kBias, std::move(source));
}

void output_vocabulary(const Module& root, TokenInputs& inputs, const VocabularyNames& names,
                       const EncoderConfig& config, ValueId x, ValueId embeddings) {
  const ValueId weight = decoder_weight(root, names, config, embeddings);
  const ValueId bias = decoder_bias(root, names, config);
  const ValueId logits = linear(root / names.decoder, x, weight, bias);
  output_token_logits(root, inputs, logits, config.vocabulary);
}

}  // namespace bantam

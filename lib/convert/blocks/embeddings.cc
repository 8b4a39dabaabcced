#include "convert/blocks/embeddings.h"

namespace bantam {

ValueId embed_tokens(const Module& module, const TokenInputs& inputs, const EncoderConfig& config,
                     ValueId words, const EmbeddingIds& ids) {
  const std::int64_t width = config.embedding;
  ValueId sum = (module / "word_embeddings").op("Gather", {words, inputs.ids()});
  if (ids.types != kNoValue) {
    const ValueId types = embedding(module / "token_type_embeddings", ids.types, config.token_types, width,
                                    Role::kTypeEmbedding);
    sum = module.op("Add", {sum, types});
  }
  const ValueId positions = embedding(module / "position_embeddings", ids.positions, config.positions, width,
                                      Role::kPositionEmbedding);
  sum = module.op("Add", {sum, positions});
  return by_row(module, normalize(module / "LayerNorm", sum, width, config.norm), width);
}

}  // namespace bantam

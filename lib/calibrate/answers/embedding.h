#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace bantam {

enum class Pooling { kMean, kCls, kMax, kMeanSqrtLength, kLastToken };

// How sentence-transformers makes one vector of a text's hidden states.
struct EmbeddingModules {
  std::vector<Pooling> poolings = {Pooling::kMean};  // several: their vectors one after another
  bool normalize = false;                            // to length 1
};

// modules.json of a checkpoint folder and the configuration of its pooling; nothing where there is no
// modules.json. Modules that compute more (Dense and others) are an error that names them.
std::optional<EmbeddingModules> read_embedding_modules(const std::filesystem::path& checkpoint);

// `hidden` is [tokens, width] of one text, `mask` its attention mask (padding is left out).
std::vector<float> embed(std::span<const float> hidden, std::span<const std::int64_t> mask,
                         const EmbeddingModules& modules);

}  // namespace bantam

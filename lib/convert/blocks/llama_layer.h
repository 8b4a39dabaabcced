#pragma once

#include "convert/blocks/causal_head.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/residual.h"

namespace bantam {

// What distinguishes the families that are built like Llama (arXiv:2302.13971): pre-norm layers of grouped
// attention and a gated MLP, down(activation(gate(x)) * up(x)), with one set of tensor names.
struct LlamaLayer {
  LinearBias qkv_bias = LinearBias::kNone;
  LinearBias output_bias = LinearBias::kNone;
  LinearBias mlp_bias = LinearBias::kNone;
  bool head_norms = false;    // q_norm and k_norm: every head of queries and keys is normalized
  bool fused = false;         // qkv_proj and gate_up_proj hold several layers' rows one after the other
  bool output_norms = false;  // Gemma 3: attention and MLP are normalized again before they are added
};

// Tensor names below the root, which is below "model." in most files.
inline constexpr CausalNames kLlamaNames = {.embedding = "embed_tokens", .head = "lm_head"};

// The whole graph of such a model. `embedding_scale` multiplies the embeddings (1: not at all).
ModelGraph build_llama(std::string_view family, const Checkpoint& checkpoint, const DecoderConfig& config,
                       const LlamaLayer& layer, double embedding_scale = 1);

}  // namespace bantam

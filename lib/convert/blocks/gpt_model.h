#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "convert/blocks/causal_head.h"
#include "convert/blocks/fused_linear.h"
#include "convert/blocks/model_graph.h"

namespace bantam {

// Paths of the decoders that are built like GPT: from the root, and from the layer.
struct GptNames {
  std::string_view prefix;  // before the names of most files: "transformer."
  CausalNames vocabulary;
  std::string_view positions = {};  // the table of learned positions; empty: none
  std::string_view layers;
  std::string_view last_norm;
  std::string_view attention_norm;
  std::string_view mlp_norm = {};  // empty: the MLP reads what attention reads
  std::string_view attention;
  std::string_view output;  // of attention, below it
  std::string_view expand;  // the two linears of the MLP
  std::string_view contract;
};

struct QueryKeyValue {
  ValueId q = kNoValue;  // rows [n, heads * size]
  ValueId k = kNoValue;  // rows [n, kv_heads * size]
  ValueId v = kNoValue;
};

// What distinguishes the families that are built like GPT (Radford et al., "Language Models are Unsupervised
// Multitask Learners", 2019): layers of attention and an MLP of two linears, each after a LayerNorm.
struct GptModel {
  GptNames names;
  std::function<QueryKeyValue(const Module& attention, ValueId x)> project;
  std::int64_t positions = 0;                  // rows of the table
  WeightLayout layout = WeightLayout::kOutIn;  // of output, expand and contract
  LinearBias output_bias = LinearBias::kAdd;
  LinearBias head_bias = LinearBias::kNone;
  // Attention and MLP both read what the layer got, and what they give is added together.
  bool parallel = false;
  bool fixed_heads = false;  // project() does more with heads than give them, so that none can be left out
  std::vector<std::string_view>
      buffers;  // tensors of old files that are no weights, as Weights::drop takes them
};

// Names of keys in config.json, as the family's configuration class of transformers has them; other families'
// are ignored there, and so here.
struct GptKeys {
  // Where a family has names of its own for these three, the common ones here stand for them (attribute_map),
  // and go first.
  std::string_view hidden = "hidden_size";
  std::string_view layers = "num_hidden_layers";
  std::string_view heads = "num_attention_heads";
  std::string_view intermediate = "intermediate_size";
  std::string_view activation = "hidden_act";
  std::string_view epsilon = "layer_norm_eps";
  bool groups = false;  // num_key_value_heads and head_dim count
};

// Reads the keys of GPT-2 or of one of the families that followed. Without intermediate size it is four times
// the hidden size. Rotations and windows are for the family to add.
DecoderConfig read_gpt_config(const Config& config, const GptKeys& keys, std::string_view default_activation,
                              bool default_tied);

// The whole graph of such a model.
ModelGraph build_gpt(std::string_view family, const Checkpoint& checkpoint, const DecoderConfig& config,
                     const GptModel& gpt);

}  // namespace bantam

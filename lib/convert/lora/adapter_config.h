#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// adapter_config.json of a LoRA adapter (huggingface/peft, src/peft/tuners/lora/config.py), as far as it
// decides what the merged weights are.
struct AdapterConfig {
  std::int64_t rank = 8;
  double alpha = 8;
  bool rank_stabilized = false;  // use_rslora: alpha / sqrt(rank) instead of alpha / rank
  bool dora = false;
  bool lora_bias = false;
  bool ensure_weight_tying = false;  // a base's tied embeddings and head were trained as one weight
  std::map<std::string, std::int64_t> rank_pattern;
  std::map<std::string, double> alpha_pattern;
  std::vector<std::string> modules_to_save;
  // Module to token ids; the module "" is the input embedding, whatever its name.
  std::map<std::string, std::vector<std::int64_t>> trainable_tokens;
  std::string task_type;   // "SEQ_CLS"; may be empty
  std::string base_model;  // what it was trained on, as it says; may be empty

  // Of a module by its name in the base model ("bert.encoder.layer.0.output.dense"). Two patterns that match
  // it and say different things are an Error: PEFT takes the first in a file whose order means nothing.
  std::int64_t rank_of(std::string_view module) const;
  // What B * A is multiplied with.
  double scaling_of(std::string_view module) const;
  // The tokens that were trained of an embedding. Error where none or several entries name it.
  const std::vector<std::int64_t>& tokens_of(std::string_view module) const;
};

// Error naming the key for what is not plain LoRA (another peft_type, variants that change how weights are
// put together, initializations that change the base), for values of a wrong type or range, and for keys that
// are not known and not empty: they could change the result.
AdapterConfig read_adapter_config(const std::filesystem::path& path);

}  // namespace bantam

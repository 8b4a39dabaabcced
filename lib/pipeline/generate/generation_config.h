#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bundle_model.h"

namespace bantam {

// What a bundle says about generating: generation_config.json where it is, config.json for what is not in it.
struct GenerationConfig {
  std::vector<std::int64_t>
      eos_token_ids;  // a number or a list in the file; empty: generating ends by length
  std::optional<std::int64_t> bos_token_id;
  double repetition_penalty = 1;
  std::int64_t no_repeat_ngram = 0;  // no_repeat_ngram_size
  std::optional<std::int64_t> max_new_tokens;
  std::int64_t context = 0;        // max_position_embeddings, or as the family calls it; 0: not stated
  std::int64_t switch_length = 0;  // see GenerationOptions
  // Keys of `settings_file` that would change what transformers writes, and that nothing here applies.
  std::string settings_file;
  std::vector<std::string> not_applied;
  std::vector<std::string> not_applied_to_draws;  // likewise, where tokens are drawn
};

// GenerationOptions::switch_length of config.json: the trained length of Phi-3's LongRoPE; 0: none.
std::int64_t switch_length(const Config& config);

// Errors name file and key.
GenerationConfig read_generation_config(const BundleModel& bundle);

}  // namespace bantam

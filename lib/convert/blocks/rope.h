#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "convert/config.h"

namespace bantam {

// Rotary position embedding (arXiv:2104.09864): of each head the first 2 * inverse_frequencies.size()
// elements turn by position * inverse_frequencies[i], element i with element i + half of them ("rotate
// half").
struct Rope {
  std::vector<float> inverse_frequencies;  // radians per position
  // LongRoPE (arXiv:2402.13753): the frequencies of texts of more than `switch_length` tokens, as many as the
  // others; empty: the same for all texts.
  std::vector<float> long_frequencies;
  std::int64_t switch_length = 0;
  float magnitude = 1;  // what turns is also multiplied by it
  std::int64_t width() const { return 2 * std::int64_t(inverse_frequencies.size()); }
};

// What config.json says about the rotation of heads of `head_size`, in the form of transformers 5
// (rope_parameters, flat or with one entry per type of layer: `layer_type` is the one wanted) or of
// transformers 4 (rope_theta, rope_scaling, partial_rotary_factor). `default_theta` where the file names
// none. Types: default, linear, llama3 and longrope. Others need corrections that are not known here, and are
// errors that name them.
Rope read_rope(const Config& config, std::int64_t head_size, std::string_view layer_type,
               double default_theta = 10000.0, double default_partial = 1.0);

// Rope::switch_length of what config.json says, whatever it calls the type; 0 where there are no two sets of
// frequencies.
std::int64_t longrope_switch_length(const Config& config);

}  // namespace bantam

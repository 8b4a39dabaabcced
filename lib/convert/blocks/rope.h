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
  bool operator==(const Rope&) const = default;
};

// Where the family's configuration class of transformers looks for what the parameters themselves do not say.
// Other families' spellings are ignored there, and so here.
struct RopeKeys {
  std::string_view theta = "rope_theta";
  std::string_view partial = {};  // of the part of a head that turns; empty: heads turn as a whole
  double default_theta = 10000;
  double default_partial = 1;
};

// What config.json says about the rotation of heads of `head_size`, in the form of transformers 5
// (rope_parameters) or of transformers 4 (rope_scaling; rope_theta and partial_rotary_factor beside it).
// Types: default, linear, llama3 and longrope. Others need corrections that are not known here, and are
// errors that name them. Errors also where both forms are there and say different things, where they have
// parameters for each type of layer (Gemma 3's family takes those apart itself), and where a part of a head
// would turn in a family that knows no parts.
Rope read_rope(const Config& config, std::int64_t head_size, const RopeKeys& keys = {});

// Rope::switch_length of what config.json says, whatever it calls the type; 0 where there are no two sets of
// frequencies.
std::int64_t longrope_switch_length(const Config& config);

}  // namespace bantam

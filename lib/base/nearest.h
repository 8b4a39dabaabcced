#pragma once

#include <span>
#include <string_view>

namespace bantam {

// The word of `known` that `typed` most likely stands for (Damerau-Levenshtein distance, restricted to swaps
// of neighbours), or nothing when none is near: at most a third of the typed letters may differ. Ties: the
// first.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> known);

}  // namespace bantam

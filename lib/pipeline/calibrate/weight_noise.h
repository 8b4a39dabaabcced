#pragma once

#include <span>

#include "graph/graph.h"

namespace bantam {

// Sum of m d^2 over sum of m w^2 for the weight as its codec leaves it: d = w - decoded, m = `moments` of the
// input [width], or 1 where that is empty. 0 for a weight of zeros. Reads the weight in row tiles.
double weight_noise(const Weight& weight, std::span<const float> moments);

}  // namespace bantam

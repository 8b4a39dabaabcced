#pragma once

#include <string>

#include "convert/architecture.h"
#include "convert/config.h"

namespace bantam {

// SHA-256 (hex) over what makes a float model give other activations: the configuration, and name, type,
// shape and a sample of the values of every weight (its first, middle and last 1024 elements, in whole rows).
// Reads a few KiB per weight, whatever the size of the model.
std::string model_fingerprint(const ModelGraph& model, const Config& config);

}  // namespace bantam

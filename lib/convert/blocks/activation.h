#pragma once

#include <string>
#include <string_view>

#include "convert/blocks/module.h"
#include "convert/config.h"

namespace bantam {

// The activation that `key` of config.json names, checked against the table; `fallback` when the key is
// absent. Unknown names are an error that lists the known ones.
std::string activation_of(const Config& config, std::string_view key, std::string_view fallback);

// Applies an activation by transformers' name. The name must be in the table.
ValueId activate(const Module& module, ValueId x, std::string_view activation);

}  // namespace bantam

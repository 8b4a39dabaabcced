#pragma once

#include <filesystem>
#include <optional>

#include "data_options.h"
#include "frame/options.h"
#include "gate_options.h"
#include "pipeline/recipe.h"

namespace bantam {

// What convert is told a 4-bit variant may take; what it may lose are the gates' limits.
struct BudgetFlags {
  std::optional<ByteSize> max_size;
  bool fixed_bits = false;
};

void declare_budget(Options& options, BudgetFlags& flags);
// What is lost is measured on `examples` (--evaluate's or --calibrate's), read as `data` says. No budget
// where the gates say nothing of losses, where no variant has four bits and with --fixed-bits. Usage errors:
// a size where no variant has four bits, limits that no model can meet or miss.
void apply_budget(const BudgetFlags& flags, const GateOptions& gates, const DataOptions& data,
                  const std::optional<std::filesystem::path>& examples, Recipe& recipe);

}  // namespace bantam

#pragma once

#include <filesystem>
#include <optional>

#include "data_options.h"
#include "frame/options.h"
#include "pipeline/recipe.h"

namespace bantam {

// What convert is told a 4-bit variant may take or lose.
struct BudgetFlags {
  std::optional<ByteSize> max_size;
  std::optional<double> kl;
  std::optional<double> retention;
};

void declare_budget(Options& options, BudgetFlags& flags);
// What is lost is measured on `examples` (--evaluate's or --calibrate's), read as `data` says. Usage errors for more than
// one budget, for losses without examples, and where no variant has four bits.
void apply_budget(const BudgetFlags& flags, const DataOptions& data,
                  const std::optional<std::filesystem::path>& examples, Recipe& recipe);

}  // namespace bantam

#include "budget_flags.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "pipeline/calibrate/mixed_precision.h"

namespace bantam {

void declare_budget(Options& options, BudgetFlags& flags) {
  options.group("Budget (q4 and q4f16: four or eight bits for each weight, by measured sensitivity)");
  options.add("--max-size SIZE", flags.max_size,
              "The best variant of at most so many bytes, graph included. Sensitivity is measured on --evaluate's examples, or on "
              "--calibrate's; without either it is guessed from the weights.");
  options.add("--budget-kl NATS", flags.kl, "The smallest variant whose outputs diverge by at most so much from the float model's.");
  options.add("--budget-retention SHARE", flags.retention,
              "The smallest variant that keeps so much of the float model's score on --evaluate's examples, e.g. 0.99.");
}

void apply_budget(const BudgetFlags& flags, const DataOptions& data,
                  const std::optional<std::filesystem::path>& examples, Recipe& recipe) {
  const int given = (flags.max_size ? 1 : 0) + (flags.kl ? 1 : 0) + (flags.retention ? 1 : 0);
  if (given == 0) return;
  if (given > 1) fail_usage("--max-size, --budget-kl and --budget-retention exclude each other");
  if (flags.kl && !(*flags.kl > 0)) fail_usage("--budget-kl {}: a number above 0 was expected", *flags.kl);
  if (flags.retention && !(*flags.retention > 0 && *flags.retention <= 1)) {
    fail_usage("--budget-retention {}: a share above 0, at most 1, was expected", *flags.retention);
  }
  const bool four_bits = std::ranges::any_of(recipe.variants, [](const Variant& variant) {
    return has_four_bits(variant.dtype);
  });
  if (!four_bits) fail_usage("--max-size, --budget-kl and --budget-retention are for q4 and q4f16; neither is made");
  Budget budget;
  if (flags.max_size) budget.max_bytes = flags.max_size->bytes;
  budget.max_kl = flags.kl;
  budget.min_retention = flags.retention;
  if (examples) budget.data = evaluation_data(data, *examples);
  if (!examples && !flags.max_size) {
    fail_usage("--budget-kl and --budget-retention need examples to measure on: --evaluate FILE or --calibrate FILE");
  }
  recipe.budget = std::make_shared<Budget>(std::move(budget));
}

}  // namespace bantam

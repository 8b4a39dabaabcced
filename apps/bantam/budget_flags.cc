#include "budget_flags.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "pipeline/calibrate/mixed_precision.h"

namespace bantam {

void declare_budget(Options& options, BudgetFlags& flags) {
  options.group("Budget (q4 and q4f16: four or eight bits for each weight, by measured sensitivity)");
  options.add(
      "--max-size SIZE", flags.max_size,
      "The best variant of at most so many bytes, graph included. Sensitivity is measured on --evaluate's examples, or on "
      "--calibrate's; without either it is guessed from the weights. Limits of losses then only judge.");
  options.add("--fixed-bits", flags.fixed_bits,
              "Keep each role's bits: --min-retention and --max-kl judge, and choose nothing.");
}

void apply_budget(const BudgetFlags& flags, const GateOptions& gates, const DataOptions& data,
                  const std::optional<std::filesystem::path>& examples, Recipe& recipe) {
  if (gates.max_kl && !(*gates.max_kl > 0))
    fail_usage("--max-kl {}: a number above 0 was expected", *gates.max_kl);
  if (gates.min_retention && !(*gates.min_retention > 0 && *gates.min_retention <= 1)) {
    fail_usage("--min-retention {}: a share above 0, at most 1, was expected", *gates.min_retention);
  }
  if (flags.max_size && flags.fixed_bits) fail_usage("--max-size chooses bits, and --fixed-bits keeps them");
  const bool four_bits = std::ranges::any_of(
      recipe.variants, [](const Variant& variant) { return has_four_bits(variant.dtype); });
  if (flags.max_size && !four_bits) fail_usage("--max-size is for q4 and q4f16; neither is made");
  Budget budget;
  if (flags.max_size) {
    budget.max_bytes = flags.max_size->bytes;
  } else {
    if (!four_bits || flags.fixed_bits || !examples || !(gates.max_kl || gates.min_retention)) return;
    budget.max_kl = gates.max_kl;
    budget.min_retention = gates.min_retention;
  }
  if (examples) budget.data = evaluation_data(data, *examples);
  recipe.budget = std::make_shared<Budget>(std::move(budget));
}

}  // namespace bantam

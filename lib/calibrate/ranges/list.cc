#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "calibrate/ranges/range_picker.h"

namespace bantam {

std::span<const RangePicker> range_pickers() {
  static constexpr std::array kPickers{
      RangePicker{"output-error", "least error of what the linears make of the activation",
                  output_error_range},
      RangePicker{"mse", "least squared error of the activation", mse_range},
      RangePicker{"min-max", "everything that was seen", min_max_range},
      RangePicker{"percentile", "all but 0.001 % of the values", percentile_range},
      RangePicker{"entropy", "least divergence of the distribution of values (KL)", entropy_range},
  };
  return kPickers;
}

const RangePicker& find_range_picker(std::string_view name) {
  const auto pickers = range_pickers();
  if (name.empty()) return pickers.front();
  const auto found = std::ranges::find(pickers, name, &RangePicker::name);
  if (found != pickers.end()) return *found;
  std::string known;
  for (const RangePicker& picker : pickers) {
    known += known.empty() ? "" : ", ";
    known += picker.name;
  }
  fail_usage("there is no way {} to choose ranges; known are {}", quote(name), known);
}

LinearHistogram centred_histogram(const SiteStatistics& seen, std::int64_t bins) {
  const float largest = std::max({seen.high, -seen.low, 0x1p-100f});
  return linear_histogram(seen.histogram, seen.low, seen.high, -largest, largest, bins);
}

}  // namespace bantam

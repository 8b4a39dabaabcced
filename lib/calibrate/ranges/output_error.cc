#include "calibrate/ranges/range_picker.h"

namespace bantam {

// An error e in channel k of what a linear reads changes its outputs by e times column k of the weight. With
// errors of channels that have nothing to do with each other the squares add up: every value counts by the
// squares of the column that it is multiplied with (channel_importance()).
Range output_error_range(const SiteStatistics& seen) {
  return least_error_range(seen.weighted, seen.low, seen.high);
}

}  // namespace bantam

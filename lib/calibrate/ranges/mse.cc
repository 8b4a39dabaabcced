#include "calibrate/ranges/range_picker.h"

namespace bantam {

Range mse_range(const SiteStatistics& seen) {
  return least_error_range(seen.histogram, seen.low, seen.high);
}

}  // namespace bantam

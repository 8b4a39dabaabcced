#include <algorithm>

#include "calibrate/ranges/range_picker.h"

namespace bantam {

Range min_max_range(const SiteStatistics& seen) {
  return {std::min(seen.low, 0.0f), std::max(seen.high, 0.0f)};
}

}  // namespace bantam

#pragma once

#include <map>
#include <string>
#include <vector>

#include "quantize/statistics.h"

namespace bantam {

// What is known of x once element k is divided by scales[k] (as many as input->width()): exactly what would
// have been measured, but for rounding. The smallest and largest element are not known and read as not
// gathered.
InputStatisticsPtr divided_input(InputStatisticsPtr input, std::vector<double> scales);

// `base` with other inputs for some weights.
StatisticsPtr replaced_inputs(StatisticsPtr base,
                              std::map<std::string, InputStatisticsPtr, std::less<>> inputs);

}  // namespace bantam

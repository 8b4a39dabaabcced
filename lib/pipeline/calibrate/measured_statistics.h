#pragma once

#include <filesystem>
#include <memory>

#include "calibrate/ranges/range_picker.h"
#include "calibrate/statistics/statistics_file.h"
#include "convert/architecture.h"
#include "convert/config.h"
#include "quantize/static_ranges.h"
#include "quantize/statistics.h"

namespace bantam {

// Opens a file of statistics for a model. Error naming the file when it was made for another one.
StatisticsFile open_statistics(const std::filesystem::path& path, const ModelGraph& model,
                               const Config& config);

// What quantization methods may know. Moments are read here, Hessians whenever they are asked for. Sites that
// saw no row give nothing. Error when the file holds no moments.
StatisticsPtr measured_statistics(StatisticsFile file);

// The range of every linear's input, as `picker` chooses it. Error when the file holds no histograms.
ActivationRanges pick_ranges(const StatisticsFile& file, const RangePicker& picker, int threads);

}  // namespace bantam

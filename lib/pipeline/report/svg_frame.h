#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/report/svg.h"

namespace bantam {

// What the charts share: the plot's place in its picture, scales, texts. Units are those of the viewBox.
inline constexpr double kChartWidth = 760, kChartHeight = 340;
inline constexpr double kPlotLeft = 74, kPlotRight = 736, kPlotTop = 18;
inline constexpr std::size_t kChartColours = 7;
inline constexpr std::size_t kChartDashes = 3;

struct ChartRange {
  double low = 0, high = 1;
  double position(double value) const { return high == low ? 0.5 : (value - low) / (high - low); }
};

double chart_x(const ChartRange& range, double value);
// `bottom` is where the plot ends.
double chart_y(const ChartRange& range, double value, double bottom);

// The range of values with a margin; of a single value, one around it.
ChartRange padded(double low, double high, double share);
// Steps of 1, 2 or 5 times a power of ten; about `wanted` of them.
std::vector<double> chart_ticks(const ChartRange& range, int wanted);

std::string svg_begin(double height, std::string_view description);
std::string svg_text(double x, double y, std::string_view anchor, std::string_view content,
                     std::string_view extra = "");
std::string svg_line(std::string_view css, double x1, double y1, double x2, double y2);
std::string svg_horizontal_grid(const ChartRange& y, double bottom);
std::string svg_vertical_title(std::string_view title, double bottom);
// About how wide a text of the charts' font is, so that nothing is set over anything else.
double text_width(std::string_view text);

}  // namespace bantam

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// Text for HTML and SVG, every special character escaped, control characters replaced.
std::string escape_html(std::string_view text);

struct ChartPoint {
  double x = 0;
  double y = 0;
  double y_low = 0;   // whiskers; equal to y for none
  double y_high = 0;
  std::string label;
};

struct ChartSeries {
  std::string label;
  std::vector<double> values;
};

struct ChartAxes {
  std::string x_title;
  std::string y_title;
  std::string description;  // for readers that do not see the chart
};

// Inline <svg> elements that take their colours from CSS variables (--ink, --grid, --series-0 ...) of the page.
std::string scatter_chart(const std::vector<ChartPoint>& points, const ChartAxes& axes);
// One line per series over shared category names (layers); names are thinned so that they do not overlap.
std::string line_chart(const std::vector<std::string>& categories, const std::vector<ChartSeries>& series, const ChartAxes& axes);
// Histogram of positive values in logarithmic bins, series drawn as outlines over one another.
std::string log_histogram(const std::vector<ChartSeries>& series, const ChartAxes& axes);

}  // namespace bantam

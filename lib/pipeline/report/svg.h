#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// Text for HTML and SVG, every special character escaped, control characters replaced.
std::string escape_html(std::string_view text);

struct ChartPoint {
  double x = 0;
  double y = 0;
  double y_low = 0;  // whiskers; equal to y for none
  double y_high = 0;
  std::string label;
  std::size_t colour = 0;
};

struct ChartSeries {
  std::string label;
  std::vector<double> values;
  std::size_t colour = 0;
};

struct ChartAxes {
  std::string x_title;
  std::string y_title;
  std::string description;                 // for readers that do not see the chart
  std::optional<double> y_reference = {};  // a dashed line that points are judged by
  std::optional<double> y_start = {};      // the axis begins here or lower: small differences look small
  std::optional<double> y_limit = {};      // nothing can lie above
};

// Inline <svg> elements that take their colours from CSS classes s0, s1, ... of the page.
// Labels find a place where they cover no dot, whisker or other label; dots at one place are drawn as rings.
std::string scatter_chart(const std::vector<ChartPoint>& points, const ChartAxes& axes);
// One line per series over shared names of layers, interrupted where a value is not finite. The axis names
// the blocks that layers belong to ("/encoder/layer.2"); each layer's own name and values show when the
// pointer rests on it.
std::string line_chart(const std::vector<std::string>& layers, const std::vector<ChartSeries>& series,
                       const ChartAxes& axes);
// Histograms of positive values in logarithmic bins, one below the other, all on the same scales.
std::string log_histogram(const std::vector<ChartSeries>& series, const ChartAxes& axes);

}  // namespace bantam

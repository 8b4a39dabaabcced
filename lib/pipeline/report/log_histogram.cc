#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/report/svg_frame.h"

namespace bantam {
namespace {

constexpr int kPerDecade = 4;
constexpr double kDecades = 8;  // what lies further below the largest value is said, not drawn
constexpr double kRow = 58, kTallest = 46;
constexpr double kFoot = 52;

struct Histogram {
  std::vector<double> shares;  // per bin, percent of all values
  double below = 0;            // percent left of the axis, exact zeros among them
};

Histogram count(const std::vector<double>& values, int first, std::size_t bins) {
  Histogram histogram{std::vector<double>(bins, 0.0), 0};
  const double one = 100.0 / static_cast<double>(values.size());
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const double bin = value > 0 ? std::floor(std::log10(value) * kPerDecade) - first : -1;
    if (bin < 0) {
      histogram.below += one;
    } else {
      histogram.shares[std::min(static_cast<std::size_t>(bin), bins - 1)] += one;
    }
  }
  return histogram;
}

std::string outline(const Histogram& histogram, const ChartRange& x, double baseline, double scale) {
  std::string path = fmt::format("M{:.1f} {:.1f}", kPlotLeft, baseline);
  for (std::size_t i = 0; i < histogram.shares.size(); ++i) {
    const double left = chart_x(x, x.low + static_cast<double>(i)),
                 right = chart_x(x, x.low + static_cast<double>(i) + 1);
    const double top = baseline - histogram.shares[i] * scale;
    path += fmt::format("L{:.1f} {:.1f}L{:.1f} {:.1f}", left, top, right, top);
  }
  return path + fmt::format("L{:.1f} {:.1f}", kPlotRight, baseline);
}

}  // namespace

std::string log_histogram(const std::vector<ChartSeries>& series, const ChartAxes& axes) {
  double low = 1e300, high = 0;
  for (const ChartSeries& one : series) {
    for (const double value : one.values) {
      if (!(value > 0) || !std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (high <= 0) return {};
  const double low_decade = std::floor(std::log10(std::max(low, high * std::pow(10, -kDecades))));
  const int first = static_cast<int>(low_decade) * kPerDecade;
  const int last = static_cast<int>(std::floor(std::log10(high) * kPerDecade)) + 1;
  const ChartRange x{static_cast<double>(first), static_cast<double>(last)};
  std::vector<Histogram> histograms;
  double tallest = 0;
  for (const ChartSeries& one : series) {
    histograms.push_back(count(one.values, first, static_cast<std::size_t>(last - first)));
    tallest = std::max(tallest, std::ranges::max(histograms.back().shares));
  }

  const double bottom = kPlotTop + kRow * static_cast<double>(series.size());
  std::string svg = svg_begin(bottom + kFoot, axes.description);
  for (int edge = first; edge <= last; edge += kPerDecade) {
    svg += svg_line("grid", chart_x(x, edge), kPlotTop, chart_x(x, edge), bottom);
    svg += svg_text(chart_x(x, edge), bottom + 18, "middle", fmt::format("1e{}", edge / kPerDecade));
  }
  for (std::size_t s = 0; s < series.size(); ++s) {
    const double baseline = kPlotTop + kRow * static_cast<double>(s + 1);
    const std::string colour = fmt::format("s{}", series[s].colour % kChartColours);
    svg += fmt::format("<path class=\"area {}\" d=\"{}\"/>", colour,
                       outline(histograms[s], x, baseline, kTallest / tallest));
    svg += svg_text(kPlotLeft - 10, baseline - 4, "end", series[s].label, " class=\"name " + colour + "\"");
    if (histograms[s].below > 0) {
      const std::string note = fmt::format("{:.3g} % below 1e{}", histograms[s].below, first / kPerDecade);
      svg += svg_text(kPlotLeft + 4, baseline - kTallest + 8, "start", note, " class=\"tick\"");
    }
  }
  const std::string scale = fmt::format("highest bar: {:.3g} % of texts", tallest);
  svg += svg_text(kPlotRight, kPlotTop - 4, "end", scale, " class=\"tick\"");
  svg +=
      svg_text((kPlotLeft + kPlotRight) / 2, bottom + kFoot - 10, "middle", axes.x_title, " class=\"axis\"");
  return svg + "</svg>";
}

}  // namespace bantam

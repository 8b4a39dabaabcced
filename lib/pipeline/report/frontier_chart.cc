#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/report/budget_frontier.h"
#include "pipeline/report/svg_frame.h"

namespace bantam {
namespace {

constexpr double kBottom = kChartHeight - 62;
using Point = BudgetFrontier::Point;

double loss_of(const Point& point) {
  return point.measured.value_or(point.expected);
}
bool drawn(double loss) {
  return loss > 0 && std::isfinite(loss);
}
double megabytes(const Point& point) {
  return static_cast<double>(point.bytes) / 1e6;
}

// Powers of ten, and their double and fivefold where there are few of them.
std::vector<double> log_ticks(const ChartRange& y) {
  std::vector<double> ticks;
  const bool few = y.high - y.low < 2.5;
  for (double power = std::floor(y.low); power <= y.high; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double at = power + std::log10(factor);
      if ((few || factor == 1.0) && at >= y.low && at <= y.high) ticks.push_back(at);
    }
  }
  return ticks;
}

}  // namespace

std::string frontier_chart(const BudgetFrontier& frontier) {
  std::vector<Point> all = frontier.points;
  all.insert(all.end(), frontier.tried.begin(), frontier.tried.end());
  all.push_back(frontier.chosen);
  std::erase_if(all, [](const Point& point) { return !drawn(loss_of(point)); });
  if (all.empty()) return {};
  const auto [least, most] = std::ranges::minmax(all, {}, loss_of);
  const auto [small, large] = std::ranges::minmax(all, {}, megabytes);
  const ChartRange x = padded(megabytes(small), megabytes(large), 0.05);
  const ChartRange y = padded(std::log10(loss_of(least)), std::log10(loss_of(most)), 0.1);
  const auto px = [&](const Point& point) { return chart_x(x, megabytes(point)); };
  const auto py = [&](double loss) { return chart_y(y, std::log10(loss), kBottom); };

  std::string svg = svg_begin(kChartHeight, fmt::format("Expected loss of {} over its size", frontier.dtype));
  for (const double tick : log_ticks(y)) {
    const double at = chart_y(y, tick, kBottom);
    svg += svg_line("grid", kPlotLeft, at, kPlotRight, at);
    svg += svg_text(kPlotLeft - 8, at + 4, "end", fmt::format("{:.3g}", std::pow(10, tick)));
  }
  for (const double tick : chart_ticks(x, 6)) {
    svg += svg_text(chart_x(x, tick), kBottom + 20, "middle", fmt::format("{:.6g}", tick));
  }
  std::string path, dots;
  for (const Point& point : frontier.points) {
    if (!drawn(point.expected)) continue;
    path += fmt::format("{}{:.1f},{:.1f} ", path.empty() ? "" : " ", px(point), py(point.expected));
    dots += fmt::format(
        "<circle class=\"s0\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"><title>{} bytes, expected {:.4g}</title></circle>",
        px(point), py(point.expected), point.bytes, point.expected);
  }
  svg += fmt::format("<polyline class=\"line s0\" points=\"{}\"/>", path) + dots;
  for (const Point& point : frontier.tried) {
    if (!point.measured || !drawn(*point.measured)) continue;
    svg += fmt::format(
        "<circle class=\"ring s4\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"><title>{} bytes, measured {:.4g}</title></circle>",
        px(point), py(*point.measured), point.bytes, *point.measured);
  }
  if (const Point& chosen = frontier.chosen; drawn(loss_of(chosen))) {
    const double cx = px(chosen), cy = py(loss_of(chosen));
    const std::string label =
        fmt::format("{:.2f} MB, {} {:.3g}", megabytes(chosen), frontier.unit, loss_of(chosen));
    const bool left = cx + 14 + text_width(label) > kPlotRight;
    svg += fmt::format("<circle class=\"s1\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"7\"/>", cx, cy);
    svg += svg_text(left ? cx - 12 : cx + 12, std::max(cy - 9, kPlotTop + 10), left ? "end" : "start", label,
                    " class=\"name s1\"");
  }
  svg +=
      svg_text((kPlotLeft + kPlotRight) / 2, kChartHeight - 12, "middle", "download, MB", " class=\"axis\"");
  return svg +
         svg_vertical_title(frontier.unit == "noise" ? "noise of the weights" : frontier.unit, kBottom) +
         "</svg>";
}

}  // namespace bantam

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/report/svg_frame.h"

namespace bantam {
namespace {

constexpr double kBottom = kChartHeight - 62;
constexpr double kRadius = 7, kInnerRadius = 2.5;
constexpr double kTextHeight = 14;

struct Box {
  double left, top, right, bottom;
  double overlap(const Box& other) const {
    const double width = std::min(right, other.right) - std::max(left, other.left);
    const double height = std::min(bottom, other.bottom) - std::max(top, other.top);
    return width > 0 && height > 0 ? width * height : 0;
  }
};

struct Spot {
  Box box;
  std::string_view anchor;
  double x, y;  // of the text's baseline
  bool far;     // a line must say which dot it belongs to
};

Spot spot(double x, double baseline, std::string_view anchor, double width, bool far) {
  const double left = anchor == "start" ? x : anchor == "end" ? x - width : x - width / 2;
  return {{left, baseline - kTextHeight + 3, left + width, baseline + 4}, anchor, x, baseline, far};
}

// Where a label may stand, best first: beside its dot, then at ever larger distances.
std::vector<Spot> spots(double px, double py, double width) {
  std::vector<Spot> list;
  for (const double dy : {4.0, -9.0, 17.0}) {
    list.push_back(spot(px + 12, py + dy, "start", width, false));
    list.push_back(spot(px - 12, py + dy, "end", width, false));
  }
  for (int ring = 1; ring <= 8; ++ring) {
    for (const double sign : {-1.0, 1.0}) {
      const double y = py + 4 + sign * (8 + 15 * ring);
      list.push_back(spot(px + 26, y, "start", width, true));
      list.push_back(spot(px - 26, y, "end", width, true));
    }
  }
  return list;
}

Spot best_spot(const std::vector<Spot>& candidates, const std::vector<Box>& taken) {
  const Spot* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const Spot& candidate : candidates) {
    const Box& box = candidate.box;
    if (box.left < kPlotLeft || box.right > kChartWidth || box.top < 0 || box.bottom > kBottom + 4) continue;
    double covered = 0;
    for (const Box& other : taken) covered += box.overlap(other);
    if (covered < least) {
      least = covered;
      best = &candidate;
    }
  }
  return best == nullptr ? candidates.front() : *best;
}

}  // namespace

std::string scatter_chart(const std::vector<ChartPoint>& points, const ChartAxes& axes) {
  if (points.empty()) return {};
  double x_high = 0, y_low = points[0].y_low, y_high = points[0].y_high;
  for (const ChartPoint& point : points) {
    x_high = std::max(x_high, point.x);
    y_low = std::min({y_low, point.y, point.y_low});
    y_high = std::max({y_high, point.y, point.y_high});
  }
  if (axes.y_start) y_low = std::min(y_low, *axes.y_start);
  if (axes.y_reference) {
    y_low = std::min(y_low, *axes.y_reference);
    y_high = std::max(y_high, *axes.y_reference);
  }
  const ChartRange x{0, x_high * 1.12};
  ChartRange y = padded(y_low, y_high, 0.12);
  if (axes.y_limit) y.high = std::min(y.high, *axes.y_limit);

  std::string svg = svg_begin(kChartHeight, axes.description) + svg_horizontal_grid(y, kBottom);
  for (const double tick : chart_ticks(x, 6)) {
    svg += svg_text(chart_x(x, tick), kBottom + 20, "middle", fmt::format("{:.6g}", tick));
  }
  std::vector<Box> taken;
  if (axes.y_reference) {
    const double at = chart_y(y, *axes.y_reference, kBottom);
    svg += svg_line("reference", kPlotLeft, at, kPlotRight, at);
    svg += svg_text(kPlotLeft + 4, at - 5, "start", "reference", " class=\"tick\"");
    taken.push_back({kPlotLeft, at - 16, kPlotLeft + text_width("reference"), at - 2});
    taken.push_back({kPlotLeft, at - 0.3, kPlotRight, at + 0.3});
  }
  std::string dots;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const ChartPoint& point = points[i];
    const double px = chart_x(x, point.x), py = chart_y(y, point.y, kBottom);
    const std::size_t colour = point.colour % kChartColours;
    const double top = chart_y(y, point.y_high, kBottom), bottom = chart_y(y, point.y_low, kBottom);
    if (point.y_high > point.y_low) svg += svg_line(fmt::format("whisker s{}", colour), px, top, px, bottom);
    taken.push_back({px - 2, std::min(top, py), px + 2, std::max(bottom, py)});
    taken.push_back({px - kRadius - 1, py - kRadius - 1, px + kRadius + 1, py + kRadius + 1});
    double radius = kRadius;
    for (std::size_t k = 0; k < i; ++k) {
      const double distance = std::hypot(chart_x(x, points[k].x) - px, chart_y(y, points[k].y, kBottom) - py);
      if (distance < kRadius / 2) radius = std::max(radius - 2.2, kInnerRadius);
    }
    dots += fmt::format("<circle class=\"s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"/>", colour, px, py,
                        radius);
  }
  std::string labels;
  for (const ChartPoint& point : points) {
    const double px = chart_x(x, point.x), py = chart_y(y, point.y, kBottom);
    const Spot place = best_spot(spots(px, py, text_width(point.label)), taken);
    taken.push_back(place.box);
    const std::string colour = fmt::format("s{}", point.colour % kChartColours);
    if (place.far)
      svg += svg_line("leader " + colour, px, py, place.x + (place.anchor == "start" ? -3 : 3), place.y - 4);
    labels += svg_text(place.x, place.y, place.anchor, point.label, " class=\"name " + colour + "\"");
  }
  svg += dots + labels;
  svg += svg_text((kPlotLeft + kPlotRight) / 2, kChartHeight - 12, "middle", axes.x_title, " class=\"axis\"");
  return svg + svg_vertical_title(axes.y_title, kBottom) + "</svg>";
}

}  // namespace bantam

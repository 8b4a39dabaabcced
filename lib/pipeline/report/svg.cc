#include "pipeline/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bantam {
namespace {

constexpr double kWidth = 720, kHeight = 340;
constexpr double kLeft = 74, kRight = 24, kTop = 18, kBottom = 62;
constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = kHeight - kTop - kBottom;
constexpr std::size_t kColours = 7;

struct Range {
  double low = 0, high = 1;
  double position(double value) const { return high == low ? 0.5 : (value - low) / (high - low); }
};

double x_at(const Range& range, double value) { return kLeft + kPlotWidth * range.position(value); }
double y_at(const Range& range, double value) { return kTop + kPlotHeight * (1 - range.position(value)); }

// Steps of 1, 2 or 5 times a power of ten; about `wanted` of them.
std::vector<double> ticks(const Range& range, int wanted) {
  const double raw = (range.high - range.low) / wanted;
  if (!(raw > 0)) return {range.low};
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> result;
  for (double tick = std::ceil(range.low / step) * step; tick <= range.high + step * 1e-9; tick += step) {
    result.push_back(std::abs(tick) < step * 1e-9 ? 0 : tick);
  }
  return result;
}

std::string begin(const ChartAxes& axes) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\"><title>{}</title>", kWidth, kHeight,
                     escape_html(axes.description), escape_html(axes.description));
}

std::string text(double x, double y, std::string_view anchor, std::string_view content, std::string_view extra = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>", x, y, anchor, extra, escape_html(content));
}

std::string vertical_title(const ChartAxes& axes) {
  const double middle = kTop + kPlotHeight / 2;
  return text(16, middle, "middle", axes.y_title, fmt::format(" class=\"axis\" transform=\"rotate(-90 16 {:.1f})\"", middle));
}

std::string titles(const ChartAxes& axes) {
  return text(kLeft + kPlotWidth / 2, kHeight - 8, "middle", axes.x_title, " class=\"axis\"") + vertical_title(axes);
}

// The end of a long name tells more than its beginning.
std::string shortened(const std::string& name) {
  constexpr std::size_t kLongest = 20;
  return name.size() <= kLongest ? name : "…" + name.substr(name.size() - kLongest + 1);
}

std::string horizontal_grid(const Range& y) {
  std::string svg;
  for (const double tick : ticks(y, 5)) {
    svg += fmt::format("<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft, kWidth - kRight,
                       y_at(y, tick), y_at(y, tick));
    svg += text(kLeft - 8, y_at(y, tick) + 4, "end", fmt::format("{:.6g}", tick));
  }
  return svg;
}

std::string legend(const std::vector<ChartSeries>& series) {
  std::string html = "<div class=\"legend\">";
  for (std::size_t i = 0; i < series.size(); ++i) {
    html += fmt::format("<span><i class=\"s{}\"></i>{}</span>", i % kColours, escape_html(series[i].label));
  }
  return html + "</div>";
}

Range padded(double low, double high, double share) {
  if (!(high > low)) {
    const double around = std::max(std::abs(low) * 0.01, 1e-6);
    return {low - around, high + around};
  }
  const double margin = (high - low) * share;
  return {low - margin, high + margin};
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;
    }
  }
  return result;
}

std::string scatter_chart(const std::vector<ChartPoint>& points, const ChartAxes& axes) {
  if (points.empty()) return {};
  double x_high = 0, y_low = points[0].y_low, y_high = points[0].y_high;
  for (const ChartPoint& point : points) {
    x_high = std::max(x_high, point.x);
    y_low = std::min({y_low, point.y, point.y_low});
    y_high = std::max({y_high, point.y, point.y_high});
  }
  const Range x{0, x_high * 1.12}, y = padded(y_low, y_high, 0.12);
  std::string svg = begin(axes) + horizontal_grid(y);
  for (const double tick : ticks(x, 6)) {
    svg += text(x_at(x, tick), kTop + kPlotHeight + 20, "middle", fmt::format("{:.6g}", tick));
  }
  std::vector<std::pair<double, double>> labels;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const ChartPoint& point = points[i];
    const double px = x_at(x, point.x), py = y_at(y, point.y);
    if (point.y_high > point.y_low) {
      svg += fmt::format("<line class=\"whisker s{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", i % kColours, px, px,
                         y_at(y, point.y_low), y_at(y, point.y_high));
    }
    svg += fmt::format("<circle class=\"s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"6\"/>", i % kColours, px, py);
    // Labels move down until they are clear of earlier ones.
    double ly = py - 10;
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& [ox, oy] : labels) {
        if (std::abs(ox - px) < 52 && std::abs(oy - ly) < 14) {
          ly = oy + 15;
          moved = true;
        }
      }
    }
    labels.emplace_back(px, ly);
    svg += text(px + 10, ly, "start", point.label, " class=\"name\"");
  }
  return svg + titles(axes) + "</svg>";
}

std::string line_chart(const std::vector<std::string>& categories, const std::vector<ChartSeries>& series, const ChartAxes& axes) {
  if (categories.empty() || series.empty()) return {};
  double low = 1e300, high = -1e300;
  for (const ChartSeries& one : series) {
    for (const double value : one.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) return {};
  const Range x{0, std::max(1.0, static_cast<double>(categories.size() - 1))}, y = padded(std::min(low, 0.0), high, 0.05);
  std::string svg = begin(axes) + horizontal_grid(y);
  const std::size_t step = std::max<std::size_t>(1, (categories.size() + 11) / 12);
  for (std::size_t i = 0; i < categories.size(); i += step) {
    const double px = x_at(x, static_cast<double>(i)), py = kTop + kPlotHeight + 14;
    svg += text(px, py, "end", shortened(categories[i]), fmt::format(" class=\"tick\" transform=\"rotate(-24 {:.1f} {:.1f})\"", px, py));
  }
  for (std::size_t s = 0; s < series.size(); ++s) {
    std::string path;
    for (std::size_t i = 0; i < series[s].values.size(); ++i) {
      if (!std::isfinite(series[s].values[i])) continue;
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x_at(x, static_cast<double>(i)), y_at(y, series[s].values[i]));
    }
    svg += fmt::format("<path class=\"line s{}\" d=\"{}\"/>", s % kColours, path);
  }
  return svg + vertical_title(axes) + "</svg>" + legend(series);  // the slanted names take the place of the x title
}

std::string log_histogram(const std::vector<ChartSeries>& series, const ChartAxes& axes) {
  constexpr int kPerDecade = 4;
  double low = 1e300, high = 0;
  for (const ChartSeries& one : series) {
    for (const double value : one.values) {
      if (!(value > 0) || !std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (high <= 0) return {};
  low = std::max(low, high * 1e-8);
  const int first = static_cast<int>(std::floor(std::log10(low) * kPerDecade));
  const int last = static_cast<int>(std::floor(std::log10(high) * kPerDecade)) + 1;
  const auto bins = static_cast<std::size_t>(last - first);
  std::vector<std::vector<double>> shares;
  double tallest = 0;
  for (const ChartSeries& one : series) {
    std::vector<double> share(bins, 0.0);
    for (const double value : one.values) {
      const double bounded = std::max(value, low);
      const int bin = static_cast<int>(std::floor(std::log10(bounded) * kPerDecade)) - first;
      share[static_cast<std::size_t>(std::clamp(bin, 0, static_cast<int>(bins) - 1))] += 100.0 / static_cast<double>(one.values.size());
    }
    tallest = std::max(tallest, *std::max_element(share.begin(), share.end()));
    shares.push_back(std::move(share));
  }
  const Range x{static_cast<double>(first), static_cast<double>(last)}, y{0, tallest * 1.08};
  std::string svg = begin(axes) + horizontal_grid(y);
  for (int edge = first; edge <= last; ++edge) {
    if (edge % kPerDecade != 0) continue;
    svg += text(x_at(x, edge), kTop + kPlotHeight + 20, "middle", fmt::format("1e{}", edge / kPerDecade));
  }
  for (std::size_t s = 0; s < shares.size(); ++s) {
    std::string path = fmt::format("M{:.1f} {:.1f}", x_at(x, first), y_at(y, 0));
    for (std::size_t i = 0; i < bins; ++i) {
      const double left = first + static_cast<double>(i);
      path += fmt::format("L{:.1f} {:.1f}L{:.1f} {:.1f}", x_at(x, left), y_at(y, shares[s][i]), x_at(x, left + 1), y_at(y, shares[s][i]));
    }
    path += fmt::format("L{:.1f} {:.1f}", x_at(x, last), y_at(y, 0));
    svg += fmt::format("<path class=\"area s{}\" d=\"{}\"/>", s % kColours, path);
  }
  return svg + titles(axes) + "</svg>" + legend(series);
}

}  // namespace bantam

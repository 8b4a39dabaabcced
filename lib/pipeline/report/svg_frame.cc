#include "pipeline/report/svg_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bantam {

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;
    }
  }
  return result;
}

double chart_x(const ChartRange& range, double value) {
  return kPlotLeft + (kPlotRight - kPlotLeft) * range.position(value);
}

double chart_y(const ChartRange& range, double value, double bottom) {
  return kPlotTop + (bottom - kPlotTop) * (1 - range.position(value));
}

ChartRange padded(double low, double high, double share) {
  if (!(high > low)) {
    const double around = std::max(std::abs(low) * 0.01, 1e-6);
    return {low - around, high + around};
  }
  const double margin = (high - low) * share;
  return {low - margin, high + margin};
}

std::vector<double> chart_ticks(const ChartRange& range, int wanted) {
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

std::string svg_begin(double height, std::string_view description) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", kChartWidth,
                     height, escape_html(description));
}

std::string svg_text(double x, double y, std::string_view anchor, std::string_view content,
                     std::string_view extra) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>", x, y, anchor, extra,
                     escape_html(content));
}

std::string svg_line(std::string_view css, double x1, double y1, double x2, double y2) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>", css, x1,
                     y1, x2, y2);
}

std::string svg_horizontal_grid(const ChartRange& y, double bottom) {
  std::string svg;
  for (const double tick : chart_ticks(y, 5)) {
    const double at = chart_y(y, tick, bottom);
    svg += svg_line("grid", kPlotLeft, at, kPlotRight, at);
    svg += svg_text(kPlotLeft - 8, at + 4, "end", fmt::format("{:.6g}", tick));
  }
  return svg;
}

std::string svg_vertical_title(std::string_view title, double bottom) {
  const double middle = (kPlotTop + bottom) / 2;
  return svg_text(16, middle, "middle", title,
                  fmt::format(" class=\"axis\" transform=\"rotate(-90 16 {:.1f})\"", middle));
}

double text_width(std::string_view text) {
  return 7.6 * static_cast<double>(text.size());
}

}  // namespace bantam

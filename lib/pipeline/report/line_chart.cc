#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "pipeline/report/svg_frame.h"

namespace bantam {
namespace {

constexpr double kBottom = kChartHeight - 50;

// The block that a layer belongs to: its path up to the first part with a number,
// "/encoder/layer.2/output/dense" -> "layer.2"; where no part has one, the first part.
std::string block_of(const std::string& layer) {
  std::string first;
  for (std::size_t begin = 0; begin < layer.size();) {
    std::size_t end = layer.find('/', begin);
    if (end == std::string::npos) end = layer.size();
    const std::string part = layer.substr(begin, end - begin);
    const bool last = end == layer.size();  // an op's own number ("MatMul_1") names no block
    if (!part.empty() && first.empty()) first = part;
    if (!last && std::ranges::any_of(part, [](unsigned char c) { return c >= '0' && c <= '9'; })) return part;
    begin = end + 1;
  }
  return first;
}

// A long name is told by its end.
std::string shortened(const std::string& name) {
  constexpr std::size_t kLongest = 18;
  if (name.size() <= kLongest) return name;
  std::size_t from = name.size() - kLongest + 1;
  while (from < name.size() && (static_cast<unsigned char>(name[from]) & 0xC0) == 0x80)
    ++from;  // not inside a character
  return "…" + name.substr(from);
}

struct Block {
  std::string label;
  double begin;
  std::size_t layers;
};

std::vector<Block> blocks_of(const std::vector<std::string>& layers, const ChartRange& x) {
  std::vector<Block> blocks;
  std::string previous;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string block = block_of(layers[i]);
    if (i == 0 || block != previous)
      blocks.push_back({shortened(block), chart_x(x, static_cast<double>(i)), 0});
    ++blocks.back().layers;
    previous = block;
  }
  return blocks;
}

// Separators where a block begins, and its name under it; large blocks come first where there is not room for
// all.
std::string block_axis(const std::vector<std::string>& layers, const ChartRange& x) {
  std::vector<Block> blocks = blocks_of(layers, x);
  std::ranges::stable_sort(blocks, std::ranges::greater{}, &Block::layers);
  std::string svg;
  std::vector<std::pair<double, double>> taken;
  for (const Block& block : blocks) {
    svg += svg_line("grid", block.begin, kPlotTop, block.begin, kBottom + 4);
    const double width = text_width(block.label) + 4;
    const double begin = std::min(block.begin, kChartWidth - width);
    const auto meets = [&](const auto& other) { return begin < other.second && other.first < begin + width; };
    if (std::ranges::any_of(taken, meets)) continue;
    taken.emplace_back(begin, begin + width);
    svg += svg_text(begin, kBottom + 18, "start", block.label, " class=\"tick\"");
  }
  return svg;
}

std::string path_of(const std::vector<double>& values, const ChartRange& x, const ChartRange& y) {
  std::string path;
  bool pen_down = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool finite = std::isfinite(values[i]);
    if (finite) {
      const double px = chart_x(x, static_cast<double>(i)), py = chart_y(y, values[i], kBottom);
      path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", px, py);
      // A value between two gaps would have no length.
      const bool alone = !pen_down && (i + 1 == values.size() || !std::isfinite(values[i + 1]));
      if (alone) path += fmt::format("h{}", px < kPlotRight ? 2 : -2);
    }
    pen_down = finite;
  }
  return path;
}

// An invisible column over each layer, whose title the browser shows under the pointer.
std::string tips(const std::vector<std::string>& layers, const std::vector<ChartSeries>& series,
                 const ChartRange& x) {
  std::string svg;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double left = chart_x(x, std::max(0.0, static_cast<double>(i) - 0.5));
    const double right = chart_x(x, std::min(x.high, static_cast<double>(i) + 0.5));
    std::string text = layers[i];
    for (const ChartSeries& one : series) {
      const bool finite = i < one.values.size() && std::isfinite(one.values[i]);
      text += "\n" + one.label + (finite ? fmt::format(": {:.1f} dB", one.values[i]) : ": not finite");
    }
    svg += fmt::format(
        "<rect class=\"tip\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>{}</title></rect>",
        left, kPlotTop, right - left, kBottom - kPlotTop, escape_html(text));
  }
  return svg;
}

std::string legend(const std::vector<ChartSeries>& series) {
  std::string html = "<div class=\"legend\">";
  for (std::size_t s = 0; s < series.size(); ++s) {
    html += fmt::format(
        "<span><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path class=\"line s{} d{}\" d=\"M0 5H26\"/></svg>{}</span>",
        series[s].colour % kChartColours, s % kChartDashes, escape_html(series[s].label));
  }
  return html + "</div>";
}

}  // namespace

std::string line_chart(const std::vector<std::string>& layers, const std::vector<ChartSeries>& series,
                       const ChartAxes& axes) {
  if (layers.empty() || series.empty()) return {};
  double low = 1e300, high = -1e300;
  for (const ChartSeries& one : series) {
    for (const double value : one.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) return {};
  const ChartRange x{0, std::max(1.0, static_cast<double>(layers.size() - 1))};
  const ChartRange y{low < 0 ? padded(low, high, 0.05).low : 0, padded(std::min(low, 0.0), high, 0.05).high};
  std::string svg =
      svg_begin(kChartHeight, axes.description) + svg_horizontal_grid(y, kBottom) + block_axis(layers, x);
  for (std::size_t dash = 0; dash < kChartDashes;
       ++dash) {  // dashed lines go over solid ones, so that equal ones show
    for (std::size_t s = dash; s < series.size(); s += kChartDashes) {
      svg += fmt::format("<path class=\"line s{} d{}\" d=\"{}\"/>", series[s].colour % kChartColours, dash,
                         path_of(series[s].values, x, y));
    }
  }
  svg += tips(layers, series, x);
  svg += svg_text((kPlotLeft + kPlotRight) / 2, kChartHeight - 8, "middle", axes.x_title, " class=\"axis\"");
  return svg + svg_vertical_title(axes.y_title, kBottom) + "</svg>" + legend(series);
}

}  // namespace bantam

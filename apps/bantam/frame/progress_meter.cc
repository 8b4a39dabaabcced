#include "frame/progress_meter.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/error.h"
#include "base/table.h"
#include "base/units.h"

namespace bantam {
namespace {

constexpr double kSecondsBeforeRate = 0.5;  // earlier, rates jump about
constexpr std::size_t kBarWidth = 24;

std::string bar(double fraction, bool color) {
  const auto filled = static_cast<std::size_t>(std::lround(fraction * kBarWidth));
  std::string out = color ? "\x1b[32m" : "[";
  for (std::size_t i = 0; i < kBarWidth; ++i) {
    if (color && i == filled) out += "\x1b[2m";
    out += color ? "━" : i < filled ? "=" : " ";
  }
  return out + (color ? "\x1b[0m" : "]");
}

}  // namespace

std::string ProgressMeter::amount(double units) const {
  const auto whole = static_cast<std::int64_t>(std::llround(units));
  return unit == ProgressUnit::kBytes ? format_bytes(whole) : format_count(whole);
}

std::string ProgressMeter::line(std::int64_t done, double seconds, std::size_t width, bool color) const {
  const double fraction =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0;
  std::string numbers =
      total > 0 ? fmt::format("{:3.0f}%", std::floor(fraction * 100)) : amount(static_cast<double>(done));
  if (seconds >= kSecondsBeforeRate && done > 0) {
    const double rate = static_cast<double>(done) / seconds;
    numbers += fmt::format("  {}/s", amount(rate));
    if (done < total)
      numbers += fmt::format("  {} left", format_seconds(static_cast<double>(total - done) / rate));
  }
  const std::string label = printable(phase);
  const std::size_t text_width = display_width(label) + 2 + display_width(numbers);
  if (total > 0 && text_width + kBarWidth + 4 <= width) {
    return fmt::format("{}  {}  {}", label, bar(fraction, color), numbers);
  }
  if (text_width <= width) return fmt::format("{}  {}", label, numbers);
  return display_width(numbers) <= width ? numbers : std::string();
}

std::string ProgressMeter::summary(std::int64_t done, double seconds) const {
  std::string text = fmt::format("{}: {} in {}", printable(phase), amount(static_cast<double>(done)),
                                 format_seconds(seconds));
  if (seconds >= 0.01) text += fmt::format(" ({}/s)", amount(static_cast<double>(done) / seconds));
  return text;
}

std::string ProgressMeter::standing(std::int64_t done) const {
  const std::string so_far = amount(static_cast<double>(done));
  if (total <= 0) return fmt::format("{}: {}", printable(phase), so_far);
  const double percent = std::floor(100.0 * static_cast<double>(done) / static_cast<double>(total));
  return fmt::format("{}: {:.0f}% ({} of {})", printable(phase), percent, so_far,
                     amount(static_cast<double>(total)));
}

}  // namespace bantam

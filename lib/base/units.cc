#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "base/error.h"

namespace bantam {
namespace {

struct Unit {
  std::string_view name;  // lower case
  double bytes;
};
constexpr double kKi = 1024.0, kMi = kKi * 1024, kGi = kMi * 1024, kTi = kGi * 1024;
constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                       {"b", 1},
                                       {"k", kKi},
                                       {"kib", kKi},
                                       {"kb", 1e3},
                                       {"m", kMi},
                                       {"mib", kMi},
                                       {"mb", 1e6},
                                       {"g", kGi},
                                       {"gib", kGi},
                                       {"gb", 1e9},
                                       {"t", kTi},
                                       {"tib", kTi},
                                       {"tb", 1e12}}};

}  // namespace

std::int64_t parse_bytes(std::string_view text) {
  double number = 0;
  const auto [rest, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string unit;
  for (const char* at = rest; at != text.data() + text.size(); ++at) {
    if (*at == ' ' && unit.empty()) continue;
    unit += *at >= 'A' && *at <= 'Z' ? static_cast<char>(*at - 'A' + 'a') : *at;
  }
  if (error == std::errc{} && number >= 0) {
    for (const Unit& known : kUnits) {
      if (known.name != unit) continue;
      const double bytes = std::round(number * known.bytes);
      if (bytes < 9.2e18) return static_cast<std::int64_t>(bytes);
    }
  }
  fail("'{}' is not a size in bytes; write for example 32MiB, 500MB or 4096", text);
}

std::string format_bytes(std::int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  constexpr std::array<std::string_view, 6> kNames{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  value /= 1024;
  // 999.5 would print as "1000": the next unit is shorter.
  while (value >= 999.5 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, kNames[unit]);
}

std::string format_seconds(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string format_count(std::int64_t count) {
  std::string digits = fmt::format("{}", count);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

}  // namespace bantam

#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace bantam {

// A to Z in lower case, whatever the locale; other bytes stay.
inline std::string ascii_lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

}  // namespace bantam

#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bantam {

enum class Severity : std::uint8_t {
  kError,    // a consumer fails, hangs or reads other bytes than were written
  kWarning,  // works, and the user would want to know
};
std::string_view name(Severity severity);

struct Finding {
  Severity severity = Severity::kError;
  std::string check;    // name of the check that found it
  std::string file;     // relative to the bundle; empty: the bundle as a whole
  std::string message;  // what is wrong, what was expected
};

// Where checks write what they find.
class Findings {
 public:
  void begin(std::string_view check) { check_ = check; }

  template <typename... Args>
  void error(std::string_view file, fmt::format_string<Args...> format, Args&&... args) {
    add(Severity::kError, file, fmt::vformat(format, fmt::make_format_args(args...)));
  }
  template <typename... Args>
  void warning(std::string_view file, fmt::format_string<Args...> format, Args&&... args) {
    add(Severity::kWarning, file, fmt::vformat(format, fmt::make_format_args(args...)));
  }

  const std::vector<Finding>& all() const { return all_; }
  std::int64_t count(Severity severity) const;
  std::int64_t count(std::string_view check, Severity severity) const;

 private:
  // The same sentence twice is one finding: two devices that resolve to one missing file.
  void add(Severity severity, std::string_view file, std::string message);
  std::string check_;
  std::vector<Finding> all_;
};

}  // namespace bantam

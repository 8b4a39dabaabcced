#pragma once

#include <string_view>

namespace bantam {

// Log lines of --verbose on stderr, each with the time since the first of them. Thread-safe.
void log_line(std::string_view text);
void log_note(std::string_view text);

}  // namespace bantam

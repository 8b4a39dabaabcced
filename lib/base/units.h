#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bantam {

// Bytes as people write them: a number and an optional unit. "32MiB", "32 MiB" and "32M" are binary (1024),
// "32MB" is decimal (1000), "4096" and "4096B" are bytes; "1.5GiB" is allowed. Case does not matter.
// Throws Error for anything else, negative numbers, and what does not fit into int64.
std::int64_t parse_bytes(std::string_view text);

// "417 B", "5.6 MiB", "1.2 GiB": three significant digits, binary units.
std::string format_bytes(std::int64_t bytes);

// "0.3 s", "12 s", "3 min 05 s", "2 h 07 min".
std::string format_seconds(double seconds);

// "6,238,977"
std::string format_count(std::int64_t count);

}  // namespace bantam

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bantam {

using Shape = std::vector<std::int64_t>;

// Number of elements (1 for a scalar). Shapes built by Bantam always fit; those from files go through
// checked_element_count first.
std::int64_t element_count(std::span<const std::int64_t> shape);
// Nothing when a dimension is negative or the product does not fit into int64.
std::optional<std::int64_t> checked_element_count(std::span<const std::int64_t> shape);
// "[3, 4]"
std::string to_string(std::span<const std::int64_t> shape);

// A dimension of a graph's input or output: a number, or a name for what is only known at run time.
struct Dim {
  std::int64_t value = -1;  // -1: symbolic or unknown
  std::string symbol;       // empty with value -1: unknown

  static Dim fixed(std::int64_t value) { return {value, {}}; }
  static Dim named(std::string symbol) { return {-1, std::move(symbol)}; }
  bool is_fixed() const { return value >= 0; }
  bool operator==(const Dim&) const = default;
};

}  // namespace bantam

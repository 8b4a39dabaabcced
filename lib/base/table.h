#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// Text that is safe to show: control characters and bytes that are no UTF-8 become \xNN, so that a name from
// a hostile file can neither move the cursor nor break a line.
std::string printable(std::string_view text);

// Columns that a terminal uses for printable UTF-8 text: 0 for combining marks, 2 for East Asian wide
// characters and emoji (Unicode UAX #11, by ranges), 1 for everything else.
std::size_t display_width(std::string_view text);

// Breaks text at spaces into lines of at most `width` columns; a longer word stands alone. '\n' starts a new
// line.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

enum class Align : std::uint8_t { kLeft, kRight };

// Rows of aligned columns for a terminal. Cells are made printable().
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns);

  // Missing cells are empty; more cells than columns are an assertion.
  void add_row(std::vector<std::string> cells);
  // A line between the rows before and after, as under the titles.
  void add_rule();

  // Titles, a rule, the rows; two spaces between columns, no trailing spaces, '\n' after every line.
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty row is a rule
};

}  // namespace bantam

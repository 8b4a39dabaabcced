#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "calibrate/dataset.h"

namespace bantam {

// Which column of a file each field of an example comes from; empty: the file has none.
struct ColumnMap {
  std::string id, text, pair, label, words, tags, answers;

  std::string& field(std::string_view name);  // "id", "text", ...; asserts that it exists
  std::vector<std::string> used() const;
};

// Columns with names: options.columns first, then the names that data sets commonly use. Throws where a field
// that the kind needs is not there, and lists the columns that are.
ColumnMap map_named_columns(const std::vector<std::string>& columns, DatasetKind kind,
                            const DatasetOptions& options);

// Columns "1", "2", ... of a file without header: options.columns if it names any, else by their number; of
// two columns, the one that is an integer in `first` is the label.
ColumnMap map_positional_columns(const std::vector<std::string>& columns, const Json& first, DatasetKind kind,
                                 const DatasetOptions& options);

// Whether a column of this name is looked for by default: how a header line is told from a row.
bool is_known_column(std::string_view name);

// One row as an example of the kind. Throws without a place: the caller knows file and line.
Example example_from_row(const Json& row, DatasetKind kind, const ColumnMap& columns);

}  // namespace bantam

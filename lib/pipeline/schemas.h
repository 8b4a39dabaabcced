#pragma once

#include <span>
#include <string_view>

#include "base/json.h"

namespace bantam {

// The files of schemas/, as they are in the binary.
struct SchemaText {
  std::string_view name;  // "recipe.schema.json"
  std::string_view text;
};
std::span<const SchemaText> schema_texts();

// Throws Error naming the path of the value that violates the schema of that name (base/json_schema.h).
void check_schema(std::string_view schema, const Json& value);

}  // namespace bantam

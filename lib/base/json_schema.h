#pragma once

#include <memory>

#include "base/json.h"

namespace bantam {

// A JSON Schema (draft-07), parsed once and used for many values. Immutable and thread-safe.
class JsonSchema {
 public:
  // `schema` may refer to its own parts ("#/definitions/...") but to no other document. One that is not a
  // schema is an assertion: schemas are ours, not input.
  explicit JsonSchema(const Json& schema);
  ~JsonSchema();
  JsonSchema(JsonSchema&&) noexcept;

  // Throws Error for the innermost violation, with the path of the value that offends:
  // "variants[0].block_size: 33 where 16, 32, 64, 128 or 256 was expected".
  void check(const Json& value) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam

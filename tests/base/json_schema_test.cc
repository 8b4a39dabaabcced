#include "base/json_schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bantam {
namespace {

// The message for `value`, or "fits".
std::string verdict(const JsonSchema& schema, const std::string& value) {
  try {
    schema.check(parse_json(value));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalid);
    return error.message();
  }
  return "fits";
}

JsonSchema schema() {
  return JsonSchema(parse_json(R"json({
    "type": "object", "additionalProperties": false, "required": ["kind"],
    "properties": {
      "kind": {"enum": ["cat", "dog", 3]},
      "version": {"const": 1},
      "size": {"type": ["integer", "string"], "minimum": 2, "maximum": 9},
      "tags": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "minLength": 1}},
      "digest": {"type": "string", "pattern": "^[0-9a-f]{4}$"},
      "children": {"type": "array", "items": {"$ref": "#/definitions/child"}},
      "labels": {"type": "object", "additionalProperties": {"type": "boolean"}}
    },
    "definitions": {
      "child": {"type": "object", "additionalProperties": false, "required": ["age"],
                "properties": {"age": {"type": "integer", "minimum": 0}, "child": {"$ref": "#/definitions/child"}}}
    }
  })json"));
}

TEST(JsonSchema, LetsThroughWhatFits) {
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat"})"), "fits");
  EXPECT_EQ(
      verdict(schema(), R"({"kind": 3, "version": 1, "size": "big", "tags": ["a", "b"], "digest": "00ff",
                                  "children": [{"age": 1, "child": {"age": 0}}], "labels": {"x": true}})"),
      "fits");
}

TEST(JsonSchema, NamesTheValueAndWhatWasExpected) {
  EXPECT_EQ(verdict(schema(), R"({"kind": "cow"})"), R"(kind: "cow" where cat, dog or 3 was expected)");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "version": 2})"), "version: 2 where 1 was expected");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "size": true})"),
            "size: true where an integer or a string was expected");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "size": 1})"), "size: 1 where at least 2 was expected");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "size": 10})"), "size: 10 where at most 9 was expected");
  EXPECT_EQ(verdict(schema(), "[]"), "a list where an object was expected");
}

TEST(JsonSchema, TakesNumbersWithAFractionOrExponentForNoIntegers) {
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "children": [{"age": 1e3}]})"),
            "children[0].age: 1000.0 where an integer was expected");
}

TEST(JsonSchema, FollowsThePathThroughListsAndReferences) {
  EXPECT_EQ(
      verdict(schema(), R"({"kind": "cat", "children": [{"age": 1}, {"age": 2, "child": {"age": -1}}]})"),
      "children[1].child.age: -1 where at least 0 was expected");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "labels": {"a": true, "b": 0}})"),
            "labels.b: 0 where a boolean was expected");
}

TEST(JsonSchema, ListsTheKnownKeysOrTheNearestOne) {
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "verson": 1})"),
            R"(unknown key "verson"; did you mean version?)");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "children": [{"age": 1, "x": 0}]})"),
            R"(children[0]: unknown key "x"; known: age or child)");
}

TEST(JsonSchema, NamesAMissingKey) {
  EXPECT_EQ(verdict(schema(), "{}"), R"("kind" is missing)");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "children": [{}]})"), R"(children[0]: "age" is missing)");
}

TEST(JsonSchema, RefusesEmptyRepeatedAndMisshapenText) {
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "tags": []})"), "tags: is empty");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "tags": [""]})"), "tags[0]: is empty");
  EXPECT_EQ(verdict(schema(), R"({"kind": "cat", "tags": ["a", "a"]})"), "tags: holds an item twice");
  EXPECT_NE(verdict(schema(), R"({"kind": "cat", "digest": "00fg"})"), "fits");
  EXPECT_NE(verdict(schema(), R"({"kind": "cat", "digest": "00ff0"})"), "fits");
}

TEST(JsonSchema, SurvivesTextThatWouldExhaustARecursiveMatcher) {
  const std::string digest(8 << 20, 'a');
  EXPECT_NE(verdict(schema(), R"({"kind": "cat", "digest": ")" + digest + R"("})"), "fits");
}

TEST(JsonSchema, EscapesWhatItQuotes) {
  EXPECT_EQ(verdict(schema(), R"({"kind": "c\u001b[2J"})"),
            R"(kind: "c\x1b[2J" where cat, dog or 3 was expected)");
}

}  // namespace
}  // namespace bantam

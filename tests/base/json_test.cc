#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bantam {
namespace {

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, limits);
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

TEST(Json, ReadsValues) {
  const Json value = parse_json(R"({"a":[1,-2.5,"é",true,null],"b":{"a":1}})");
  EXPECT_EQ(value["a"][1], -2.5);
  EXPECT_EQ(parse_json(to_pretty_json(value)), value);
}

TEST(Json, RefusesDuplicateKeysInOneObjectOnly) {
  EXPECT_EQ(error_of(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]})"), "accepted");
  EXPECT_EQ(error_of(R"({"a":1,"b":2,"a":3})"), "duplicate JSON key \"a\"");
  EXPECT_EQ(error_of(R"([{"x":{"k":1,"\u006b":2}}])"), "duplicate JSON key \"k\"");
  EXPECT_EQ(error_of("{\"a\\u001b\":1,\"a\\u001b\":1}"), "duplicate JSON key \"a\\x1b\"");
}

TEST(Json, RefusesDeepNestingAndLargeText) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(64), {.max_depth = 64}), "accepted");
  EXPECT_EQ(error_of(nested(66), {.max_depth = 64}), "JSON nested deeper than 64 levels");
  EXPECT_EQ(error_of(std::string(1'000'000, '['), {.max_depth = 64}), "JSON nested deeper than 64 levels");
  EXPECT_EQ(error_of("[1,2]", {.max_bytes = 4}), "JSON of 5 bytes; at most 4 are accepted");
}

TEST(Json, RefusesWhatFollowsTheValue) {
  EXPECT_EQ(error_of("{} \n\t"), "accepted");
  EXPECT_EQ(error_of("{}{}"), "not valid JSON at byte 3");
  EXPECT_EQ(error_of(std::string_view("{}\0{\"a\":", 8)), "not valid JSON: NUL at byte 3");
  EXPECT_EQ(error_of(""), "not valid JSON at byte 1");
}

TEST(Json, RefusesNumbersAndTextThatDoNotFit) {
  EXPECT_EQ(error_of("[1e999]"), "JSON holds a number out of range");
  EXPECT_EQ(error_of("[NaN]"), "not valid JSON at byte 2");
  EXPECT_EQ(error_of("[\"\xff\"]"), "not valid JSON at byte 3");
}

}  // namespace
}  // namespace bantam

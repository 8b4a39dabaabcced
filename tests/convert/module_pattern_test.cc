#include "convert/lora/module_pattern.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

const std::string kModule = "bert.encoder.layer.11.attention.self.query";

TEST(ModulePattern, ANameMeansEveryModuleThatEndsWithIt) {
  for (const char* pattern :
       {"query", "self.query", "attention.self.query", "bert.encoder.layer.11.attention.self.query"}) {
    EXPECT_TRUE(module_matches(pattern, kModule)) << pattern;
  }
  for (const char* pattern :
       {"uery", "self", "elf.query", "query.", "key", "", "x.bert.encoder.layer.11.attention.self.query"}) {
    EXPECT_FALSE(module_matches(pattern, kModule)) << pattern;
  }
  EXPECT_TRUE(module_matches("query", "query"));
  EXPECT_FALSE(module_matches("query", ""));
  EXPECT_TRUE(module_matches("", "a."));
}

// Each verdict is that of Python 3.11: bool(re.match(rf"(.*\.)?({pattern})$", kModule)).
TEST(ModulePattern, AgreesWithPythonsRegularExpressions) {
  const std::pair<const char*, bool> cases[] = {
      {"^bert.*query", true},
      {"^query", false},
      {"^encoder.*", false},
      {".*", true},
      {".+query$", true},
      {"layer\\.\\d+\\.attention\\.self\\.query", true},
      {"layer\\.\\d\\.attention\\.self\\.query", false},
      {"layer.\\d{2}.*", true},
      {"layer.\\d{3,}.*", false},
      {"layer.\\d{1,2}.*y", true},
      {"(query|key)", true},
      {"query|key", true},
      {"key|query", true},
      {"self.(?:key|value)", false},
      {"[pqr]uery", true},
      {"[^q]uery", false},
      {"[a-z]+", true},
      {"[a-z.]+", true},
      {"quer?y", true},
      {"quex?ry", true},
      {"(self|other)\\.q.*", true},
      {"(a|b)*query", true},
      {"((self)\\.)*query", true},
      {"\\w+", true},
      {"\\W+", false},
      {"que\\.ry", false},
      {"bert(\\.\\w+){6}", true},
      {"bert(\\.\\w+){5}", false},
      {"query{1}", true},
      {"quer(y)??", true},
      {"[]q]uery", true},
      {"attention.{6}query", true},
      {"1{2}\\.attention\\.self\\.query", true},
      {"q$uery", false},
  };
  for (const auto& [pattern, matches] : cases)
    EXPECT_EQ(module_matches(pattern, kModule), matches) << pattern;
}

TEST(ModulePattern, RefusesWhatItDoesNotKnow) {
  for (const char* pattern :
       {"(?=a)", "(?i:a)", "(a", "a)", "[a", "*a", "a**", "a{2", "a{3,2}", "a\\", "\\bquery", "(a)\\1", "+",
        "{2}", "a{2000}", "[b-a]", "((((a{900}){900}){900}){900})"}) {
    const std::string message = test::error_of([&] { module_matches(pattern, kModule); });
    EXPECT_TRUE(test::has_parts(message, {"the pattern", "not supported"})) << pattern;
  }
  EXPECT_TRUE(
      test::has_parts(test::error_of([] { module_matches(std::string(100'000, '('), "a"); }), {"groups"}));
}

// Exponential for matchers that try one way after the other.
TEST(ModulePattern, TakesTimeInProportion) {
  std::string nested = "a*";
  for (int i = 0; i < 20; ++i) nested = "(" + nested + ")*";
  EXPECT_FALSE(module_matches(nested + "b", std::string(4000, 'a') + "c"));
  EXPECT_TRUE(module_matches("(a|aa)+", std::string(4000, 'a')));
  EXPECT_FALSE(module_matches("(a|aa)+b", std::string(4000, 'a')));
}

}  // namespace
}  // namespace bantam

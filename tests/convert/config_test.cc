#include "convert/config.h"

#include <gtest/gtest.h>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::TempFolder;

Config config_of(const char* text) {
  return Config("dir/config.json", Json::parse(text));
}

TEST(Config, ReadsEveryKindOfValue) {
  const Config config = config_of(
      R"({"model_type":"bert","architectures":["A","B"],"i":12,"n":-3,"f":1e-12,"s":"gelu","b":true,"z":null})");
  EXPECT_EQ(config.model_type(), "bert");
  EXPECT_EQ(config.architectures(), (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(config.integer("i"), 12);
  EXPECT_EQ(config.integer("n", -5, 5), -3);
  EXPECT_EQ(config.integer_or("i", 7), 12);
  EXPECT_EQ(config.number_or("f", 0), 1e-12);
  EXPECT_EQ(config.number_or("i", 0), 12.0);
  EXPECT_EQ(config.string("s"), "gelu");
  EXPECT_TRUE(config.boolean_or("b", false));
}

TEST(Config, TakesNullForAbsent) {
  const Config config = config_of(R"({"z":null})");
  EXPECT_FALSE(config.has("z"));
  for (const char* key : {"z", "absent"}) {
    EXPECT_EQ(config.integer_or(key, 7), 7);
    EXPECT_EQ(config.number_or(key, 0.5), 0.5);
    EXPECT_EQ(config.string_or(key, "x"), "x");
    EXPECT_TRUE(config.boolean_or(key, true));
    EXPECT_TRUE(has_parts(error_of([&] { config.integer(key); }),
                          {"dir/config.json: ", key, "is missing", "an integer from 1 to 1073741824"}));
    EXPECT_TRUE(has_parts(error_of([&] { config.string(key); }), {"dir/config.json: ", key, "is missing"}));
  }
  EXPECT_TRUE(config.architectures().empty());
}

TEST(Config, NamesFileKeyValueAndExpectation) {
  EXPECT_EQ(error_of([] { config_of(R"({"hidden_size":"abc"})").integer("hidden_size", 1, 99); }),
            "dir/config.json: hidden_size: \"abc\" where an integer from 1 to 99 was expected");
}

TEST(Config, RefusesWhatIsNotAnIntegerInRange) {
  for (const char* value : {"0", "-1", "100", "12.0", "1e1", "true", "[12]", "{}", "\"12\"",
                            "9223372036854775808", "18446744073709551615", "-9223372036854775808", "1e300"}) {
    const Config config = config_of(fmt::format("{{\"k\":{}}}", value).c_str());
    EXPECT_TRUE(has_parts(error_of([&] { config.integer("k", 1, 99); }), {"k: ", "an integer from 1 to 99"}))
        << value;
    EXPECT_TRUE(has_parts(error_of([&] { config.integer_or("k", 5, 1, 99); }), {"k: "})) << value;
  }
  EXPECT_EQ(config_of(R"({"k":99})").integer("k", 1, 99), 99);
}

TEST(Config, RefusesOtherTypes) {
  for (const char* value : {"\"1\"", "true", "[]", "{}"}) {
    const Config config = config_of(fmt::format("{{\"k\":{}}}", value).c_str());
    EXPECT_TRUE(has_parts(error_of([&] { config.number_or("k", 1); }), {"k: ", "a number"})) << value;
  }
  for (const char* value : {"1", "\"true\"", "[]"}) {
    const Config config = config_of(fmt::format("{{\"k\":{}}}", value).c_str());
    EXPECT_TRUE(has_parts(error_of([&] { config.boolean_or("k", true); }), {"k: ", "true or false"}))
        << value;
  }
  for (const char* value : {"1", "true", "[]"}) {
    const Config config = config_of(fmt::format("{{\"k\":{}}}", value).c_str());
    EXPECT_TRUE(has_parts(error_of([&] { config.string("k"); }), {"k: ", "a string"})) << value;
    EXPECT_TRUE(has_parts(error_of([&] { config.string_or("k", ""); }), {"k: ", "a string"})) << value;
  }
  EXPECT_TRUE(
      has_parts(error_of([] { config_of(R"({"architectures":"BertModel"})").architectures(); }), {"a list"}));
  EXPECT_TRUE(
      has_parts(error_of([] { config_of(R"({"architectures":[1]})").architectures(); }), {"a class name"}));
  EXPECT_TRUE(
      has_parts(error_of([] { config_of(R"({"model_type":""})").model_type(); }), {"model_type is empty"}));
  EXPECT_TRUE(has_parts(error_of([] { config_of("{}").model_type(); }), {"model_type is missing"}));
}

TEST(Config, FindsTheFirstAliasThatIsPresent) {
  const Config config = config_of(R"({"hidden_size":null,"dim":8,"d_model":9})");
  EXPECT_EQ(config.first_of({"hidden_size", "dim", "d_model"}), "dim");
  EXPECT_EQ(config.first_of({"x", "y"}), "x");
}

TEST(Config, RefusesValuesThatWouldChangeTheResult) {
  config_of("{}").refuse_unless("position_embedding_type", "absolute");
  config_of(R"({"p":"absolute"})").refuse_unless("p", "absolute");
  config_of(R"({"p":false})").refuse_unless("p", "false");
  config_of(R"({"p":null})").refuse_unless("p", "absolute");
  for (const char* value : {"\"relative_key\"", "\"\"", "1", "true", "[\"absolute\"]", "{}"}) {
    const Config config = config_of(fmt::format("{{\"p\":{}}}", value).c_str());
    EXPECT_TRUE(has_parts(error_of([&] { config.refuse_unless("p", "absolute"); }), {"p: ", "\"absolute\""}))
        << value;
  }
}

TEST(Config, RefusesQuantizedCheckpointsByTheirMethod) {
  config_of(R"({"quantization_config":null})").refuse_quantized();
  EXPECT_TRUE(has_parts(
      error_of([] { config_of(R"({"quantization_config":{"quant_method":"gptq"}})").refuse_quantized(); }),
      {"quantization_config", "\"gptq\"", "float checkpoint"}));
  for (const char* value : {"{}", "[]", "7", R"({"quant_method":7})"}) {
    const Config config = config_of(fmt::format("{{\"compression_config\":{}}}", value).c_str());
    EXPECT_TRUE(has_parts(error_of([&] { config.refuse_quantized(); }), {"compression_config", "unnamed"}))
        << value;
  }
}

TEST(Config, ReadsOnlyOneJsonObject) {
  const TempFolder folder;
  for (const auto& [text, part] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"", "not valid JSON"},
           {"[]", "a list where an object"},
           {"null", "null where an object"},
           {"\"x\"", "\"x\" where an object"},
           {R"({"a":1,"a":2})", "duplicate JSON key \"a\""},
           {"{} {}", "not valid JSON"},
           {R"({"a":1e999})", "out of range"},
           {R"({"a":NaN})", "not valid JSON"},
           {"{\"a\":\"\xff\"}", "not valid JSON at byte 7"},
           {std::string_view("{}\0x", 4), "NUL"},
           {"version https://git-lfs.github.com/spec/v1\n", "Git-LFS"}}) {
    const auto path = folder.write("config.json", text);
    const std::string message = error_of([&] { Config::read(path); });
    EXPECT_TRUE(has_parts(message, {path.string(), part})) << text;
  }
  const std::string deep = "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_TRUE(has_parts(error_of([&] { Config::read(folder.write("c", deep)); }), {"deeper than"}));
  const std::string large = "{\"a\":\"" + std::string(17 << 20, 'x') + "\"}";
  EXPECT_TRUE(has_parts(error_of([&] { Config::read(folder.write("c", large)); }), {"at most 16777216"}));
}

TEST(Config, ShowsLongAndWildValuesSafely) {
  const std::string text = "{\"k\":\"\\u001b[31m" + std::string(5000, 'x') + "\"}";
  const std::string message = error_of([&] { config_of(text.c_str()).integer("k"); });
  EXPECT_LT(message.size(), 250U);
  EXPECT_EQ(message.find('\x1b'), message.npos);
}

}  // namespace
}  // namespace bantam

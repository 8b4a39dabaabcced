#include "convert/safetensors_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;

void expect_refused(std::string_view json, std::int64_t data_bytes,
                    std::initializer_list<std::string_view> parts) {
  EXPECT_TRUE(has_parts(error_of([&] { parse_safetensors_header(json, data_bytes); }), parts)) << json;
}

// A header of one float32 tensor "w".
std::string one(std::string_view shape, std::string_view offsets, std::string_view dtype = "\"F32\"") {
  return fmt::format("{{\"w\":{{\"dtype\":{},\"shape\":{},\"data_offsets\":{}}}}}", dtype, shape, offsets);
}

TEST(SafetensorsHeader, AcceptsScalarsEmptyTensorsAndAnEmptyHeader) {
  EXPECT_TRUE(parse_safetensors_header("{}", 0).entries.empty());
  EXPECT_TRUE(parse_safetensors_header("{\"__metadata__\":{}}   ", 0).entries.empty());
  EXPECT_EQ(parse_safetensors_header(one("[]", "[0,4]"), 4).entries[0].spec.shape, Shape{});
  EXPECT_EQ(parse_safetensors_header(one("[0]", "[0,0]"), 0).entries[0].spec.shape, Shape{0});
  EXPECT_EQ(parse_safetensors_header(one("[3,0,2]", "[0,0]"), 0).entries[0].spec.bytes(), 0);
}

TEST(SafetensorsHeader, AcceptsEmptyTensorsBetweenOthers) {
  const auto header = parse_safetensors_header(
      R"({"c":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},"e":{"dtype":"F64","shape":[0,9],"data_offsets":[4,4]},)"
      R"("a":{"shape":[4],"data_offsets":[0,4],"dtype":"I8"}})",
      6);
  ASSERT_EQ(header.entries.size(), 3U);
  EXPECT_EQ(header.entries[0].spec.name, "a");
  EXPECT_EQ(header.entries[1].spec.name, "e");
  EXPECT_EQ(header.entries[2].spec.name, "c");
  EXPECT_EQ(header.entries[2].begin, 4);
}

TEST(SafetensorsHeader, KnowsEveryTypeOfTheFormatThatHoldsWholeBytes) {
  const std::pair<const char*, int> sizes[] = {{"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"I16", 2}, {"U16", 2},
                                               {"F16", 2},  {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},
                                               {"F64", 8},  {"I64", 8},  {"U64", 8}};
  for (const auto& [name, size] : sizes) {
    const std::string dtype = fmt::format("\"{}\"", name);
    EXPECT_EQ(
        parse_safetensors_header(one("[3]", fmt::format("[0,{}]", 3 * size), dtype), 3 * size).entries[0].end,
        3 * size);
    expect_refused(one("[3]", fmt::format("[0,{}]", 3 * size + 1), dtype), 3 * size + 1, {"\"w\"", name});
  }
}

TEST(SafetensorsHeader, RefusesTypesThatItCannotRead) {
  for (const char* dtype : {"\"F8_E4M3\"", "\"F8_E5M2\"", "\"F8_E8M0\"", "\"F4\"", "\"F6_E2M3\""}) {
    expect_refused(one("[4]", "[0,4]", dtype), 4, {"\"w\"", dtype, "quantized", "F32, F16 or BF16"});
  }
  expect_refused(one("[4]", "[0,32]", "\"C64\""), 32, {"\"w\"", "complex"});
  expect_refused(one("[4]", "[0,4]", "\"f32\""), 4, {"\"w\"", "unknown dtype \"f32\"", "BF16"});
  expect_refused(one("[4]", "[0,4]", "\"\""), 4, {"unknown dtype"});
  expect_refused(one("[4]", "[0,4]", "7"), 4, {"\"w\"", "dtype", "7 where a string"});
  expect_refused(one("[4]", "[0,4]", "null"), 4, {"\"w\"", "dtype", "null"});
  expect_refused(one("[4]", "[0,4]", "[\"F32\"]"), 4, {"\"w\"", "dtype", "list"});
}

TEST(SafetensorsHeader, RefusesWrongShapes) {
  for (const char* shape :
       {"[-1]", "[2.0]", "[\"2\"]", "[true]", "[null]", "[[2]]", "[{}]", "[1e2]", "[-0]"}) {
    expect_refused(one(shape, "[0,4]"), 4, {"\"w\"", "shape", "integer of at least 0"});
  }
  for (const char* shape : {"2", "null", "\"[2]\"", "{}"}) {
    expect_refused(one(shape, "[0,4]"), 4, {"\"w\"", "shape", "list of integers"});
  }
}

TEST(SafetensorsHeader, RefusesShapesThatOverflow) {
  expect_refused(one("[9223372036854775807,3]", "[0,4]"), 4, {"\"w\"", "too large"});
  expect_refused(one("[4294967296,4294967296]", "[0,0]"), 0, {"\"w\"", "too large"});  // 2^64 wraps to 0
  expect_refused(one("[2305843009213693952]", "[0,0]"), 0,
                 {"\"w\"", "too large"});  // bytes wrap, elements do not
  expect_refused(one("[0,4611686018427387904]", "[0,0]"), 0,
                 {"\"w\"", "too large"});  // a row of it overflows
  expect_refused(one("[18446744073709551615]", "[0,4]"), 4, {"\"w\"", "too large"});
  expect_refused(one("[99999999999999999999999]", "[0,4]"), 4, {"\"w\""});
  std::string deep = "[1";
  for (int i = 0; i < 64; ++i) deep += ",1";
  expect_refused(one(deep + "]", "[0,4]"), 4, {"\"w\"", "64 dimensions"});
}

TEST(SafetensorsHeader, RefusesWrongOffsets) {
  expect_refused(one("[1]", "[4,0]"), 4, {"\"w\"", "[4, 0]", "backwards"});
  expect_refused(one("[1]", "[0]"), 4, {"\"w\"", "two numbers"});
  expect_refused(one("[1]", "[]"), 4, {"\"w\"", "two numbers"});
  expect_refused(one("[1]", "[0,4,8]"), 4, {"\"w\"", "more than two"});
  expect_refused(one("[1]", "[-4,0]"), 4, {"\"w\"", "-4 where"});
  expect_refused(one("[1]", "[0,4.0]"), 4, {"\"w\"", "4.0"});
  expect_refused(one("[1]", "[0,\"4\"]"), 4, {"\"w\"", "data_offsets"});
  expect_refused(one("[1]", "{\"0\":0}"), 4, {"\"w\"", "two integers"});
  expect_refused(one("[1]", "[18446744073709551612,0]"), 4, {"\"w\"", "too large"});
  expect_refused(one("[2]", "[0,4]"), 4, {"\"w\"", "hold 4 bytes where shape [2] of F32 needs 8"});
  expect_refused(one("[1]", "[0,8]"), 8, {"\"w\"", "hold 8 bytes", "needs 4"});
  expect_refused(one("[1]", "[9223372036854775803,9223372036854775807]"), 4,
                 {"\"w\"", "belongs to no tensor"});
}

std::string two(int begin_a, int end_a, int begin_b, int end_b) {
  return fmt::format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                     R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                     end_a - begin_a, begin_a, end_a, end_b - begin_b, begin_b, end_b);
}

TEST(SafetensorsHeader, RefusesOverlapsAndGapsAndBytesThatNobodyOwns) {
  EXPECT_EQ(parse_safetensors_header(two(0, 4, 4, 8), 8).entries.size(), 2U);
  expect_refused(two(0, 4, 3, 7), 7, {"\"b\"", "overlaps \"a\""});
  expect_refused(two(0, 4, 0, 4), 4, {"overlaps"});
  expect_refused(two(0, 8, 2, 4), 8, {"\"b\"", "overlaps \"a\""});
  expect_refused(two(0, 4, 5, 9), 9, {"\"b\"", "1 bytes before it"});
  expect_refused(two(2, 4, 4, 8), 8, {"\"a\"", "2 bytes before it"});
  expect_refused(two(0, 4, 4, 8), 11, {"3 bytes at its end"});
  expect_refused(two(0, 4, 4, 8), 7, {"truncated"});
  expect_refused("{}", 1, {"1 bytes at its end"});
}

TEST(SafetensorsHeader, RefusesDuplicateKeysEverywhere) {
  const std::string w = R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  expect_refused("{" + w + "," + w + "}", 0, {"duplicate tensor name \"w\""});
  expect_refused(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"dtype":"U8"}})", 0,
                 {"\"w\"", "duplicate key \"dtype\""});
  expect_refused(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"\u0073hape":[0]}})", 0,
                 {"duplicate key \"shape\""});
  expect_refused(R"({"__metadata__":{"a":"1","a":"1"}})", 0, {"duplicate key \"a\" in __metadata__"});
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, {"duplicate key \"__metadata__\""});
}

TEST(SafetensorsHeader, RefusesEntriesThatAreNotTensors) {
  expect_refused(R"({"w":{"dtype":"U8","shape":[0]}})", 0, {"\"w\"", "data_offsets are required"});
  expect_refused(R"({"w":{}})", 0, {"\"w\"", "required"});
  expect_refused(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"scale":1}})", 0,
                 {"\"w\"", "unknown key \"scale\""});
  for (const char* value : {"null", "1", "-1", "1.5", "\"x\"", "[]", "true"}) {
    expect_refused(fmt::format("{{\"w\":{}}}", value), 0, {"\"w\"", "where an object was expected"});
  }
}

TEST(SafetensorsHeader, RefusesMetadataThatIsNotStrings) {
  EXPECT_EQ(parse_safetensors_header(R"({"__metadata__":{"format":"pt","":"x"}})", 0).metadata.size(), 2U);
  for (const char* value : {"null", "1", "-1", "1.5", "[]", "{}", "true"}) {
    expect_refused(fmt::format("{{\"__metadata__\":{{\"k\":{}}}}}", value), 0,
                   {"__metadata__", "\"k\"", "string"});
  }
  for (const char* value : {"null", "1", "[]", "\"x\""}) {
    expect_refused(fmt::format("{{\"__metadata__\":{}}}", value), 0, {"__metadata__", "object"});
  }
}

TEST(SafetensorsHeader, RefusesTextThatIsNotOneJsonObject) {
  for (const std::string_view text : {"", " {}", "[]", "null", "x", "\xef\xbb\xbf{}"}) {
    expect_refused(text, 0, {"begin"});
  }
  for (const std::string_view text : {"{", "{}{}", "{} x", "{,}", "{\"a\"}", "{'a':{}}", "{\"a\":}",
                                      "{\"\xff\":{}}", "{/**/}", "{\"a\\x\":{}}"}) {
    expect_refused(text, 0, {"not valid JSON at byte"});
  }
  expect_refused(std::string_view("{}\0{\"a\":1}", 10), 0, {"not valid JSON at byte 3"});
}

TEST(SafetensorsHeader, RefusesAbsurdNestingAtOnce) {
  expect_refused("{\"w\":" + std::string(1'000'000, '['), 0, {"\"w\"", "a list where an object"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"w\":";
  expect_refused(objects, 0, {"unknown key \"w\""});
}

TEST(SafetensorsHeader, RefusesNamesThatWouldSpoilATerminalAndCutsLongOnes) {
  expect_refused(R"({"a\u001b[31m":{}})", 0, {"\"a\\x1b[31m\"", "control characters"});
  expect_refused(R"({"a\u0000b":{}})", 0, {"\"a\\x00b\"", "control characters"});
  const std::string message =
      error_of([] { parse_safetensors_header("{\"" + std::string(5000, 'x') + "\":{}}", 0); });
  EXPECT_TRUE(has_parts(message, {"5000 bytes"}));
  EXPECT_LT(message.size(), 300U);
}

TEST(SafetensorsHeader, RefusesMoreTensorsOrMetadataThanAnyModelHas) {
  std::string many = "{";
  for (int i = 0; i <= 1 << 20; ++i)
    many += fmt::format("\"{}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}},", i);
  many.back() = '}';
  expect_refused(many, 0, {"more than 1048576 tensors"});
  many = "{\"__metadata__\":{";
  for (int i = 0; i <= 1 << 16; ++i) many += fmt::format("\"{}\":\"\",", i);
  many.back() = '}';
  expect_refused(many + "}", 0, {"more than 65536 entries"});
}

// Random valid headers, written by another JSON library's rules (random key order and spacing), come back as
// written.
TEST(SafetensorsHeader, RandomHeadersRoundTrip) {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::pair<DType, const char*> types[] = {{DType::kF32, "F32"},   {DType::kF16, "F16"},
                                                 {DType::kBF16, "BF16"}, {DType::kI64, "I64"},
                                                 {DType::kU8, "U8"},     {DType::kBool, "BOOL"}};
  for (int round = 0; round < 300; ++round) {
    std::vector<SafetensorsEntry> wanted;
    std::int64_t offset = 0;
    for (int i = 0, count = below(12); i < count; ++i) {
      SafetensorsEntry entry;
      const auto& [dtype, name] = types[below(6)];
      entry.spec = {fmt::format("layer.{}.é\"{}", i, below(1000)), dtype, {}};
      for (int d = below(4); d > 0; --d) entry.spec.shape.push_back(below(5) == 0 ? 0 : 1 + below(40));
      entry.begin = offset;
      offset += entry.spec.bytes();
      entry.end = offset;
      wanted.push_back(entry);
    }
    std::vector<std::size_t> order(wanted.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::shuffle(order, random);
    std::string text = "{";
    for (const std::size_t i : order) {
      const SafetensorsEntry& entry = wanted[i];
      const std::string space(static_cast<std::size_t>(below(3)), ' ');
      std::vector<std::string> fields = {
          fmt::format("\"dtype\":{}\"{}\"", space, info(entry.spec.dtype).safetensors),
          fmt::format("\"shape\"{}:{}", space, to_string(entry.spec.shape)),
          fmt::format("\"data_offsets\":[{}{},{}]", space, entry.begin, entry.end)};
      std::ranges::shuffle(fields, random);
      text += fmt::format("{}{}:{{{},{},{}}}{},", space,
                          nlohmann::json(entry.spec.name).dump(-1, ' ', below(2) == 0), fields[0], fields[1],
                          fields[2], space);
    }
    if (text.back() == ',') text.pop_back();
    text += "}" + std::string(static_cast<std::size_t>(below(8)), ' ');
    const SafetensorsHeader header = parse_safetensors_header(text, offset);
    ASSERT_EQ(header.entries.size(), wanted.size());
    // Empty tensors at one offset may come in any order; everything else is fixed by its bytes.
    std::ranges::sort(wanted, [](const auto& a, const auto& b) {
      return std::tie(a.begin, a.end, a.spec.name) < std::tie(b.begin, b.end, b.spec.name);
    });
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(header.entries[i].spec, wanted[i].spec) << text;
      EXPECT_EQ(header.entries[i].begin, wanted[i].begin);
    }
    // One byte more or less at the end is never right.
    EXPECT_THROW(parse_safetensors_header(text, offset + 1), Error);
    if (offset > 0) {
      EXPECT_THROW(parse_safetensors_header(text, offset - 1), Error);
    }
  }
}

// Whatever one damaged byte does, the reader answers with a header or an Error, nothing else.
TEST(SafetensorsHeader, AnyDamagedByteIsAnswered) {
  const std::string whole =
      R"({"__metadata__":{"format":"pt"},"a.b":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("c":{"dtype":"U8","shape":[],"data_offsets":[12,13]}})";
  ASSERT_EQ(parse_safetensors_header(whole, 13).entries.size(), 2U);
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(value);
      try {
        for (const SafetensorsEntry& entry : parse_safetensors_header(damaged, 13).entries) {
          EXPECT_EQ(entry.end - entry.begin, entry.spec.bytes());
          EXPECT_LE(entry.end, 13);
        }
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 20'000);
}

}  // namespace
}  // namespace bantam

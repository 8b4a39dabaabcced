#include "frame/options.h"

#include <gtest/gtest.h>

#include <initializer_list>

#include "base/error.h"

namespace bantam {
namespace {

// A command line like convert's.
struct Parsed {
  std::filesystem::path source;
  std::string output;
  std::vector<std::string> dtypes{"q8"};
  ByteSize shard{1};
  std::optional<int> threads;
  bool force = false;
  std::optional<double> drop;
  Repeated texts;

  explicit Parsed(std::initializer_list<std::string> arguments) {
    Options options;
    options.positional("SOURCE", source, "in");
    options.add("-o,--output DIR", output, "out", {.required = true});
    options.add("--dtype LIST", dtypes, "types",
                {.choices = {{"fp32", ""}, {"fp16", ""}, {"q8", ""}, {"q4", ""}}});
    options.add("--shard-size SIZE", shard, "size");
    options.add("-t,--threads N", threads, "threads", {.min = 1, .max = 256});
    options.add("--max-drop X", drop, "drop");
    options.add("-f,--force", force, "force");
    options.add("--text TEXT", texts, "text");
    options.parse(std::vector<std::string>(arguments));
  }
};

std::string complaint(std::initializer_list<std::string> arguments) {
  try {
    Parsed parsed(arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.message();
  }
  return "accepted";
}

TEST(Options, FillTheirTargets) {
  const Parsed parsed({"--dtype", "fp16,q4", "in put", "-f", "--output=out", "--shard-size", "32MiB", "-t",
                       "7", "--max-drop=0.01"});
  EXPECT_EQ(parsed.source, "in put");
  EXPECT_EQ(parsed.output, "out");
  EXPECT_EQ(parsed.dtypes, (std::vector<std::string>{"fp16", "q4"}));
  EXPECT_EQ(parsed.shard.bytes, 32 << 20);
  EXPECT_EQ(parsed.threads, 7);
  EXPECT_EQ(parsed.drop, 0.01);
  EXPECT_TRUE(parsed.force);
}

TEST(Options, KeepDefaultsWhereNothingIsGiven) {
  const Parsed parsed({"in", "-o", "out"});
  EXPECT_EQ(parsed.dtypes, (std::vector<std::string>{"q8"}));
  EXPECT_EQ(parsed.shard.bytes, 1);
  EXPECT_FALSE(parsed.threads.has_value());
  EXPECT_FALSE(parsed.force);
}

TEST(Options, CollectWhatIsRepeatedAsItIs) {
  const Parsed parsed(
      {"in", "--text", "one, two", "-o", "out", "--text=", "--text", "[a,b]", "--text=--force"});
  EXPECT_EQ(parsed.texts.values, (std::vector<std::string>{"one, two", "", "[a,b]", "--force"}));
  EXPECT_FALSE(parsed.force);
}

TEST(Options, TakeOddWordsLiterally) {
  EXPECT_EQ(Parsed({"[a,b]", "-o", "out"}).source, "[a,b]");
  EXPECT_EQ(Parsed({"in", "-o", "[x]"}).output, "[x]");
  EXPECT_EQ(Parsed({"-o", "out", "--", "--dtype"}).source, "--dtype");
  EXPECT_EQ(Parsed({"-o", "out", "--", "--"}).source, "--");
  EXPECT_EQ(Parsed({"a\"b'c %d {}", "-o", "out"}).source, "a\"b'c %d {}");
}

TEST(Options, NameTheUnknownOptionAndItsNearest) {
  EXPECT_EQ(complaint({"in", "-o", "out", "--dtpe", "q8"}),
            "unknown option '--dtpe'; did you mean '--dtype'?");
  EXPECT_EQ(complaint({"in", "-o", "out", "--dtpe=q8"}), "unknown option '--dtpe'; did you mean '--dtype'?");
  EXPECT_EQ(complaint({"in", "-o", "out", "--zebra"}), "unknown option '--zebra'");
  EXPECT_EQ(complaint({"-z", "in"}), "unknown option '-z'; a file of that name is written ./-z");
}

TEST(Options, SayWhatIsWrongWithAValue) {
  EXPECT_EQ(complaint({"in", "-o", "out", "--dtype", "q8,fp61"}),
            "--dtype: 'fp61' is not one of fp32, fp16, q8, q4; did you mean fp16?");
  EXPECT_EQ(complaint({"in", "-o", "out", "--dtype", "q8,"}),
            "--dtype: an empty word in a list; write it as A,B,C without spaces");
  EXPECT_EQ(complaint({"in", "-o", "out", "--threads", "0"}), "--threads: 0 is too small; the least is 1");
  EXPECT_EQ(complaint({"in", "-o", "out", "--threads", "257"}),
            "--threads: 257 is too large; the most is 256");
  EXPECT_EQ(complaint({"in", "-o", "out", "--threads", "2x"}), "--threads: '2x' is not a whole number");
  EXPECT_EQ(complaint({"in", "-o", "out", "--threads", "99999999999"}),
            "--threads: '99999999999' is not a whole number");
  EXPECT_EQ(complaint({"in", "-o", "out", "--max-drop", "nan"}), "--max-drop: 'nan' is not a number");
  EXPECT_EQ(complaint({"in", "-o", "out", "--shard-size", "huge"}),
            "--shard-size: 'huge' is not a size in bytes; write for example 32MiB, 500MB or 4096");
}

TEST(Options, SayWhatIsMissingOrTooMuch) {
  EXPECT_EQ(complaint({"-o", "out"}), "SOURCE is missing");
  EXPECT_EQ(complaint({"in"}), "--output is missing");
  EXPECT_EQ(complaint({"in", "more", "-o", "out"}), "unexpected argument 'more'");
  EXPECT_EQ(complaint({"", "-o", "out"}), "SOURCE: an empty path");
  EXPECT_EQ(complaint({"in", "-o", "a", "-o", "b"}), "--output: is given 2 times; give it once");
  EXPECT_EQ(complaint({"in", "-o"}), "--output: a value is missing");
}

}  // namespace
}  // namespace bantam

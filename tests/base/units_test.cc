#include "base/units.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace bantam {
namespace {

TEST(Bytes, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_bytes("0"), 0);
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("4096B"), 4096);
  EXPECT_EQ(parse_bytes("32MiB"), 33554432);
  EXPECT_EQ(parse_bytes("32 MiB"), 33554432);
  EXPECT_EQ(parse_bytes("32m"), 33554432);
  EXPECT_EQ(parse_bytes("32MB"), 32000000);
  EXPECT_EQ(parse_bytes("1.5GiB"), 1610612736);
  EXPECT_EQ(parse_bytes("0.5k"), 512);
}

TEST(Bytes, RefuseWhatIsNoSize) {
  for (const char* text : {"", "MiB", "-1", "-1MiB", "1e3", "nan", "inf", "32 Mi B", "32MiBs", "1,5MB",
                           "0x10", "12 34", "99999999999999GiB", " 1"}) {
    EXPECT_THROW(parse_bytes(text), Error) << text;
  }
}

TEST(Bytes, AreShownWithThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(5875168), "5.60 MiB");
  EXPECT_EQ(format_bytes(34 << 20), "34.0 MiB");
  EXPECT_EQ(format_bytes(417 << 20), "417 MiB");
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.00 MiB");  // not "1024 KiB"
  EXPECT_EQ(format_bytes(INT64_MAX), "8.00 EiB");
}

TEST(Bytes, ShownAreReadBackWithinTheRounding) {
  for (const std::int64_t bytes : {1023LL, 1536LL, 5875168LL, 999LL << 20, 123456789012LL}) {
    const auto back = static_cast<double>(parse_bytes(format_bytes(bytes)));
    EXPECT_NEAR(back / static_cast<double>(bytes), 1.0, 0.005) << bytes;
  }
}

TEST(Seconds, AreShownInTheUnitThatFits) {
  EXPECT_EQ(format_seconds(0.04), "0.0 s");
  EXPECT_EQ(format_seconds(9.94), "9.9 s");
  EXPECT_EQ(format_seconds(9.96), "10 s");
  EXPECT_EQ(format_seconds(185), "3 min 05 s");
  EXPECT_EQ(format_seconds(7620), "2 h 07 min");
}

TEST(Counts, AreGroupedByThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(-123456), "-123,456");
  EXPECT_EQ(format_count(6238977), "6,238,977");
}

}  // namespace
}  // namespace bantam

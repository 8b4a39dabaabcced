#include "frame/progress_meter.h"

#include <gtest/gtest.h>

#include "base/table.h"

namespace bantam {
namespace {

const ProgressMeter kEncode{"encode", 200 << 20, ProgressUnit::kBytes};

TEST(ProgressMeter, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(kEncode.line(50 << 20, 2.0, 80, false),
            "encode  [======                  ]   25%  25.0 MiB/s  6.0 s left");
  EXPECT_EQ(kEncode.line(200 << 20, 8.0, 80, false), "encode  [========================]  100%  25.0 MiB/s");
}

TEST(ProgressMeter, ShowsNoRateBeforeItMeansSomething) {
  EXPECT_EQ(kEncode.line(1 << 20, 0.1, 30, false), "encode    0%");
  EXPECT_EQ(kEncode.line(0, 9.0, 30, false), "encode    0%");
}

TEST(ProgressMeter, FitsEveryWidth) {
  for (std::size_t width = 0; width < 120; ++width) {
    EXPECT_LE(display_width(kEncode.line(50 << 20, 2.0, width, false)), width);
  }
}

TEST(ProgressMeter, NeverClaimsMoreThanAll) {
  EXPECT_EQ(kEncode.line(900 << 20, 0.1, 30, false), "encode  100%");
}

TEST(ProgressMeter, CountsItemsWithoutATotal) {
  const ProgressMeter samples{"samples", 0, ProgressUnit::kItems};
  EXPECT_EQ(samples.line(1500, 3.0, 80, false), "samples  1,500  500/s");
  EXPECT_EQ(samples.standing(1500), "samples: 1,500");
  EXPECT_EQ(samples.summary(1500, 3.0), "samples: 1,500 in 3.0 s (500/s)");
}

TEST(ProgressMeter, WritesPlainLinesForLogs) {
  EXPECT_EQ(kEncode.standing(50 << 20), "encode: 25% (50.0 MiB of 200 MiB)");
  EXPECT_EQ(kEncode.summary(200 << 20, 8.0), "encode: 200 MiB in 8.0 s (25.0 MiB/s)");
}

}  // namespace
}  // namespace bantam

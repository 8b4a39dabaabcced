#include "base/nearest.h"

#include <gtest/gtest.h>

#include <array>

namespace bantam {
namespace {

constexpr std::array<std::string_view, 5> kWords{"convert", "inspect", "evaluate", "q4", "q4f16"};

TEST(Nearest, FindsTheWordBehindATypingMistake) {
  EXPECT_EQ(nearest("convrt", kWords), "convert");
  EXPECT_EQ(nearest("inspetc", kWords), "inspect");  // a swap is one mistake
  EXPECT_EQ(nearest("evalute", kWords), "evaluate");
  EXPECT_EQ(nearest("q4f61", kWords), "q4f16");
}

TEST(Nearest, SaysNothingWhenNoWordIsNear) {
  EXPECT_EQ(nearest("serve", kWords), "");
  EXPECT_EQ(nearest("zz", kWords), "");
  EXPECT_EQ(nearest("convert", {}), "");
  EXPECT_EQ(nearest(std::string(5000, 'c'), kWords), "");
}

TEST(Nearest, PrefersTheCloserWord) {
  EXPECT_EQ(nearest("q4f1", kWords), "q4f16");
  EXPECT_EQ(nearest("q", kWords), "q4");
}

}  // namespace
}  // namespace bantam

#include "base/error.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

TEST(Error, CollectsContextOnItsWayUp) {
  try {
    with_context("file", [] { with_context("tensor", [] { fail("shape {} is wrong", 3); }); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "file: tensor: shape 3 is wrong");
    EXPECT_EQ(error.code(), ErrorCode::kInvalid);
  }
}

TEST(Quote, LeavesPlainTextAsItIs) {
  EXPECT_EQ(quote(""), "\"\"");
  EXPECT_EQ(quote("encoder.layer.0/weight é 漢"), "\"encoder.layer.0/weight é 漢\"");
}

TEST(Quote, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(quote("a\x1b[31m\n\x7f"), "\"a\\x1b[31m\\x0a\\x7f\"");
  EXPECT_EQ(quote(std::string_view("a\0b", 3)), "\"a\\x00b\"");
  EXPECT_EQ(quote("\xc2\x9b"
                  "31m"),
            "\"\\xc2\\x9b31m\"");  // CSI as one UTF-8 character
  EXPECT_EQ(quote("\xc2\xa0"), "\"\xc2\xa0\"");
}

TEST(Quote, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(quote("abcdef", 6), "\"abcdef\"");
  EXPECT_EQ(quote("abcdef", 5), "\"abcde...\"");
  EXPECT_EQ(quote("aé漢", 5), "\"aé...\"");                    // 1 + 2 + 3 bytes
  EXPECT_EQ(quote(std::string(200, '\x80'), 120), "\"...\"");  // no character begins anywhere
}

}  // namespace
}  // namespace bantam

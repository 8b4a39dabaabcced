#include "base/table.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

TEST(Printable, LeavesTextAndEscapesWhatMovesTheCursor) {
  EXPECT_EQ(printable("größe 大小"), "größe 大小");
  EXPECT_EQ(printable("a\x1b[2Jb\nc\r\t"), "a\\x1b[2Jb\\x0ac\\x0d\\x09");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");                     // C1 control sequence introducer
  EXPECT_EQ(printable("a\u202Etxt.exe"), "a\\xe2\\x80\\xaetxt.exe");  // right-to-left override
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("ab\xc3"), "ab\\xc3");                         // cut off
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("größe"), 5u);
  EXPECT_EQ(display_width("大小"), 4u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("🐓"), 2u);
}

TEST(Wrap, BreaksAtSpacesAndKeepsLongWordsWhole) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("a incomprehensible b", 6), (std::vector<std::string>{"a", "incomprehensible", "b"}));
  EXPECT_EQ(wrap("one\n\ntwo", 40), (std::vector<std::string>{"one", "", "two"}));
  EXPECT_EQ(wrap("", 10), (std::vector<std::string>{""}));
}

TEST(Table, AlignsColumnsByDisplayWidth) {
  Table table({{"name"}, {"bytes", Align::kRight}, {"note"}});
  table.add_row({"大小", "5", "x"});
  table.add_row({"größe-lang", "12345"});
  table.add_rule();
  table.add_row({"sum", "12350", ""});
  EXPECT_EQ(table.text(),
            "name        bytes  note\n"
            "----------  -----  ----\n"
            "大小            5  x\n"
            "größe-lang  12345\n"
            "----------  -----  ----\n"
            "sum         12350\n");
}

TEST(Table, ShowsHostileNamesHarmlessly) {
  Table table({{"name"}});
  table.add_row({"a\nb\x1b[31m"});
  EXPECT_EQ(table.text(), "name\n--------------\na\\x0ab\\x1b[31m\n");
}

}  // namespace
}  // namespace bantam

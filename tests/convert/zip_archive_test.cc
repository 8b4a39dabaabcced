#include "convert/zip_archive.h"

#include <gtest/gtest.h>

#include "tests/convert/checkpoint_files.h"
#include "tests/convert/torch_files.h"

namespace bantam {
namespace {

using namespace test;

std::vector<ZipMember> members_of(const std::string& bytes) {
  const TempFolder folder;
  return read_zip_members(File::open_read(folder.write("a.zip", bytes)));
}

void expect_refused(const std::string& bytes, std::initializer_list<std::string_view> parts) {
  EXPECT_TRUE(has_parts(error_of([&] { members_of(bytes); }), parts));
}

// 8 bytes each, in the order of the format.
std::string zip64_extra(const std::vector<std::uint64_t>& values) {
  std::string bytes =
      little_endian(std::uint16_t{1}) + little_endian(static_cast<std::uint16_t>(8 * values.size()));
  for (const std::uint64_t value : values) bytes += little_endian(value);
  return bytes;
}

TEST(ZipArchive, FindsStoredMembersWhereTheirBytesAre) {
  const std::string bytes =
      zip_of({{"a/x", "hello"}, {"a/", ""}, {"a/empty", ""}, {"a/y", std::string(3000, 'y')}}, "a comment");
  const auto members = members_of(bytes);
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(members[0].name, "a/x");
  EXPECT_EQ(bytes.substr(static_cast<std::size_t>(members[0].offset), 5), "hello");
  EXPECT_EQ(members[1].bytes, 0);
  EXPECT_EQ(members[2].name, "a/y");
  EXPECT_EQ(bytes.substr(static_cast<std::size_t>(members[2].offset), 3000), std::string(3000, 'y'));
  EXPECT_TRUE(members_of(zip_of({})).empty());
}

TEST(ZipArchive, ReadsZip64SizesAndOffsets) {
  const std::uint32_t large = 0xffffffff;
  const auto members = members_of(zip_of({{"x", "first"},
                                          {.name = "y",
                                           .data = "second",
                                           .extra = "ab" + std::string(2, '\0') + zip64_extra({6, 6}),
                                           .size = large}}));
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[1].bytes, 6);
  expect_refused(zip_of({{.name = "y", .data = "second", .extra = zip64_extra({6}), .size = large}}),
                 {"\"y\"", "too short"});
  expect_refused(zip_of({{.name = "y", .data = "second", .size = large}}),
                 {"\"y\"", "size", "beyond the file"});
  expect_refused(
      zip_of(
          {{.name = "y", .data = "second", .extra = zip64_extra({1ULL << 63, 1ULL << 63}), .size = large}}),
      {"\"y\"", "size", "beyond"});
  expect_refused(
      zip_of({{.name = "y", .data = "second", .extra = std::string("\1\0\xff\0", 4), .size = large}}),
      {"\"y\"", "extra field is damaged"});
}

// The same archive with its end in zip64's form.
std::string with_zip64_end(std::uint64_t members, std::uint64_t bytes, std::uint64_t offset,
                           std::uint64_t record_at_delta = 0) {
  std::string zip = zip_of({{"x", "hello"}});
  const std::string end = zip.substr(zip.size() - 22);
  zip.resize(zip.size() - 22);
  const std::uint64_t at = zip.size() + record_at_delta;
  zip += little_endian(std::uint32_t{0x06064b50}) + little_endian(std::uint64_t{44}) + std::string(12, '\0') +
         little_endian(members) + little_endian(members) + little_endian(bytes) + little_endian(offset);
  zip += little_endian(std::uint32_t{0x07064b50}) + std::string(4, '\0') + little_endian(at) +
         little_endian(std::uint32_t{1});
  return zip + end.substr(0, 8) + std::string(12, '\xff') + end.substr(20);
}

TEST(ZipArchive, ReadsTheZip64RecordOfTheEnd) {
  const std::string zip = zip_of({{"x", "hello"}});
  const std::uint64_t begin = zip.find("PK\x01\x02"), bytes = zip.size() - 22 - begin;
  EXPECT_EQ(members_of(with_zip64_end(1, bytes, begin)).size(), 1U);
  expect_refused(with_zip64_end(1, bytes, begin, 1), {"zip64 record"});
  expect_refused(with_zip64_end(1, bytes, begin, 1ULL << 63), {"zip64 record"});
  expect_refused(with_zip64_end(1, bytes, 1ULL << 62), {"offset", "beyond"});
  expect_refused(with_zip64_end(1, 1ULL << 62, begin), {"size", "beyond"});
  expect_refused(with_zip64_end(1ULL << 60, bytes, begin), {"cannot list"});
  expect_refused(with_zip64_end(2, bytes, begin), {"cannot list"});
  expect_refused(with_zip64_end(0, bytes, begin), {"more than its members take"});
}

TEST(ZipArchive, RefusesWhatTorchDoesNotWrite) {
  expect_refused(zip_of({{.name = "x", .data = "z", .method = 8}}), {"\"x\"", "compressed (zip method 8)"});
  expect_refused(zip_of({{.name = "x", .data = "z", .flags = 1}}), {"\"x\"", "encrypted"});
  EXPECT_EQ(members_of(zip_of({{.name = "x", .data = "z", .flags = 0x808}})).size(), 1U);
  expect_refused(zip_of({{"x", "1"}, {"x", "2"}}), {"\"x\"", "twice"});
}

TEST(ZipArchive, RefusesMembersThatAreNotWhereTheDirectorySays) {
  expect_refused(zip_of({{.name = "x", .data = "z", .local_name = "w"}}), {"\"x\"", "disagree"});
  expect_refused(zip_of({{.name = "x", .data = "z", .header = 5}, {"y", "w"}}), {"\"x\"", "disagree"});
  expect_refused(zip_of({{.name = "x", .data = "z", .header = 38}}), {"\"x\"", "beyond the zip directory"});
  expect_refused(zip_of({{.name = "x", .data = "z", .size = 2}}), {"\"x\"", "do not fit"});
  expect_refused(zip_of({{.name = "x", .data = "z", .size = 3'000'000}}), {"\"x\"", "beyond the file"});
  expect_refused(zip_of({{.name = "x", .data = "zz", .size = 30}, {"y", "w"}}), {"\"y\"", "overlaps \"x\""});
}

// A member inside another one: the inner archive's header is real.
TEST(ZipArchive, RefusesAMemberInsideOfAnother) {
  const std::string inner = zip_of({{"y", "inner"}});
  const std::string header = inner.substr(0, inner.find("PK\x01\x02"));
  expect_refused(zip_of({{"x", header}, {.name = "y", .data = "inner", .header = 34}}),
                 {"\"y\"", "overlaps \"x\""});
}

TEST(ZipArchive, RefusesWhatIsNoArchive) {
  const std::string whole = zip_of({{"x", "hello"}, {"y", "world"}});
  for (std::size_t length = 0; length < whole.size(); ++length) expect_refused(whole.substr(0, length), {""});
  expect_refused(std::string(100'000, 'x'), {"no zip directory"});
  expect_refused(whole + "x", {"no zip directory"});
}

TEST(ZipArchive, AnyDamagedByteIsAnswered) {
  const std::string whole = zip_of({{"x", "hello"}, {"y", "world"}});
  const TempFolder folder;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, 0x50, 0x7f, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(value);
      const File file = File::open_read(folder.write("a.zip", damaged));
      try {
        for (const ZipMember& member : read_zip_members(file)) {
          EXPECT_GE(member.offset, 0);
          EXPECT_LE(member.offset + member.bytes, file.size());
        }
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace bantam

#include "convert/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::safetensors_bytes;
using test::safetensors_of;
using test::TempFolder;

TEST(SafetensorsFile, ReadsValuesShapesAndMetadata) {
  const TempFolder folder;
  const auto path = folder.write(
      "model.safetensors", safetensors_of({{"b", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"a", {2}, {-1.5F, 0.25F}}}));
  const WeightFile file = open_safetensors(path);
  ASSERT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors[0]->spec(),
            (TensorSpec{"b", DType::kF32, {2, 3}}));  // in order of bytes, not of names
  EXPECT_EQ(read_all_as_float(*file.tensors[0]), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(read_all_as_float(*file.tensors[1]), (std::vector<float>{-1.5F, 0.25F}));
  EXPECT_EQ(file.metadata.at("format"), "pt");
  EXPECT_EQ(file.bytes, static_cast<std::int64_t>(std::filesystem::file_size(path)));
}

TEST(SafetensorsFile, ReadsRowsFromTheMiddleOfATensor) {
  const TempFolder folder;
  const auto path = folder.write("m", safetensors_of({{"a", {1}, {9}}, {"b", {3, 2}, {1, 2, 3, 4, 5, 6}}}));
  const WeightFile file = open_safetensors(path);
  std::vector<float> row(2);
  std::vector<std::byte> scratch;
  read_as_float(*file.tensors[1], {1, 2}, scratch, row);
  EXPECT_EQ(row, (std::vector<float>{3, 4}));
}

TEST(SafetensorsFile, TensorsOutliveTheListTheyCameIn) {
  const TempFolder folder;
  const auto path = folder.write("m", safetensors_of({{"a", {2}, {3, 4}}}));
  const TensorSourcePtr tensor = open_safetensors(path).tensors[0];
  EXPECT_EQ(read_all_as_float(*tensor), (std::vector<float>{3, 4}));
}

// "model.safetensors" with these bytes is refused with these parts in the message, the path among them.
void expect_refused(std::string_view bytes, std::initializer_list<std::string_view> parts) {
  const TempFolder folder;
  const auto path = folder.write("model.safetensors", bytes);
  const std::string message = error_of([&] { open_safetensors(path); });
  EXPECT_TRUE(has_parts(message, parts));
  EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
  EXPECT_EQ(message.find('\n'), message.npos) << message;
}

TEST(SafetensorsFile, RefusesFilesThatAreTooShort) {
  expect_refused("", {"too short"});
  expect_refused(std::string(7, '\0'), {"7 bytes", "too short"});
}

TEST(SafetensorsFile, RefusesHeaderSizesBeyondTheLimitOrTheFile) {
  expect_refused(std::string(8, '\xff') + "{}", {"18446744073709551615"});
  std::string lying = safetensors_bytes("{}", "");
  lying[0] = 3;
  expect_refused(lying, {"truncated", "3 bytes where 2 are left"});
  std::string negative = safetensors_bytes("{}", "");
  negative[7] = '\x80';  // would be negative as a signed number
  expect_refused(negative, {"at most 100000000"});
}

TEST(SafetensorsFile, AcceptsAHeaderOfTheLargestAllowedSizeOnly) {
  const TempFolder folder;
  std::string header(100'000'000, ' ');
  header.replace(0, 2, "{}");
  EXPECT_TRUE(open_safetensors(folder.write("a", safetensors_bytes(header, ""))).tensors.empty());
  header += ' ';
  EXPECT_TRUE(has_parts(error_of([&] { open_safetensors(folder.write("b", safetensors_bytes(header, ""))); }),
                        {"100000001"}));
}

// A length may begin with the bytes that a pickle begins with (80 02: 640 and more), and with others.
TEST(SafetensorsFile, TheBytesOfTheLengthSayNothingAboutTheFormat) {
  const TempFolder folder;
  for (const std::size_t length : {0x280UL, 0x10280UL, 0xA0D20UL}) {
    std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    header.resize(length, ' ');
    EXPECT_EQ(
        open_safetensors(folder.write("m", safetensors_bytes(header, std::string(4, '\0')))).tensors.size(),
        1U);
  }
  expect_refused("\x80\x02" + std::string(6, '\0') + "{" + std::string(100, 'x'), {"pickle"});
  expect_refused("\x80\x02" + std::string(6, '\0') + std::string(1000, 'x'), {"pickle"});
}

TEST(SafetensorsFile, NamesWhatStandsThereInsteadOfWeights) {
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
                 {"Git-LFS pointer", "git lfs pull"});
  expect_refused("<!DOCTYPE html><html><head><title>Sign in</title>", {"web page"});
  expect_refused("\n  <HTML lang=en>", {"web page"});
  expect_refused("\xef\xbb\xbf<?xml version=\"1.0\"?><Error>AccessDenied</Error>", {"web page"});
  expect_refused(std::string("PK\x03\x04") + std::string(100, '\0'), {"pickle"});
  expect_refused("GGUF\x03" + std::string(100, '\0'), {"GGUF"});
  expect_refused("Entry not found", {"text that begins with \"Entry not found\""});
}

TEST(SafetensorsFile, RefusesATruncatedFile) {
  const std::string whole = safetensors_of({{"a", {4}, {1, 2, 3, 4}}, {"b", {2}, {5, 6}}});
  expect_refused(whole.substr(0, whole.size() - 1),
                 {"truncated", "23 bytes of tensors where the header describes 24"});
  for (const std::size_t size : {9UL, 20UL, whole.size() - 24}) {
    expect_refused(whole.substr(0, size), {"truncated"});
  }
}

TEST(SafetensorsFile, NoticesAFileThatShrinksAfterItWasOpened) {
  const TempFolder folder;
  const auto path = folder.write("m", safetensors_of({{"a", {4}, {1, 2, 3, 4}}}));
  const WeightFile file = open_safetensors(path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  EXPECT_TRUE(
      has_parts(error_of([&] { read_all_as_float(*file.tensors[0]); }), {path.string(), "truncated"}));
}

TEST(SafetensorsFile, RefusesFoldersFifosAndWhatIsNotThere) {
  const TempFolder folder;
  EXPECT_TRUE(has_parts(error_of([&] { open_safetensors(folder.path()); }), {"not a regular file"}));
  EXPECT_TRUE(has_parts(error_of([&] { open_safetensors(folder / "none"); }), {"cannot open"}));
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(has_parts(error_of([&] { open_safetensors(folder / "fifo"); }), {"not a regular file"}));
}

// Bytes that this process has read by system calls.
std::int64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string key;
  std::int64_t value = -1;
  io >> key >> value;
  return key == "rchar:" ? value : -1;
}

TEST(SafetensorsFile, OpeningReadsTheHeaderAloneHoweverLargeTheFile) {
  const TempFolder folder;
  constexpr std::int64_t kRows = std::int64_t{1} << 34;  // 64 GiB as a sparse file
  const std::string header =
      "{\"w\":{\"dtype\":\"F32\",\"shape\":[17179869184],\"data_offsets\":[0,68719476736]}}";
  const auto path = folder.write("m", safetensors_bytes(header, ""));
  std::error_code error;
  std::filesystem::resize_file(path, 8 + header.size() + 4 * static_cast<std::uintmax_t>(kRows), error);
  ASSERT_FALSE(error) << "the file system of TMPDIR has no sparse files of 64 GiB: " << error.message();
  const std::int64_t before = bytes_read();
  ASSERT_GE(before, 0);
  const WeightFile file = open_safetensors(path);
  EXPECT_LT(bytes_read() - before, 4096);
  EXPECT_EQ(file.tensors[0]->spec().rows(), kRows);
  std::vector<float> last(3, 1.0F);
  std::vector<std::byte> scratch;
  read_as_float(*file.tensors[0], {kRows - 3, kRows}, scratch, last);
  EXPECT_EQ(last, (std::vector<float>{0, 0, 0}));
}

}  // namespace
}  // namespace bantam

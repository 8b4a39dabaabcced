// Files of the writer, read by our own reader here and by the format's own package in tests/cli/run_test.py.
#include "convert/safetensors_writer.h"

#include "convert/safetensors.h"
#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::TempFolder;

template <typename T>
SafetensorsTensor tensor_of(std::string name, DType dtype, Shape shape, const std::vector<T>& values) {
  return {{std::move(name), dtype, std::move(shape)}, std::as_bytes(std::span(values))};
}

WeightFile written(const TempFolder& folder, std::span<const SafetensorsTensor> tensors,
                   const std::map<std::string, std::string>& metadata = {}) {
  write_safetensors(File::create(folder / "out.safetensors"), tensors, metadata);
  return open_safetensors(folder / "out.safetensors");
}

TEST(SafetensorsWriter, IsUnderstoodByTheReader) {
  const TempFolder folder;
  const std::vector<std::uint8_t> bytes = {1, 0, 1};
  const std::vector<float> floats = {1.5F, -2, 3, 4, 5, 6};
  const std::vector<std::int64_t> integers = {-7};
  const std::vector<std::uint16_t> halves = {0x3c00, 0xc000};
  const std::vector<SafetensorsTensor> tensors = {
      tensor_of("flags", DType::kBool, {3}, bytes),
      tensor_of("b\"\xc3\xa9", DType::kF32, {2, 3}, floats),
      tensor_of("nothing", DType::kF32, {0, 5}, std::vector<float>{}),
      tensor_of("half", DType::kF16, {2, 1}, halves),
      tensor_of("scalar", DType::kI64, {}, integers),
  };
  const WeightFile file = written(folder, tensors, {{"tool", "test"}});
  std::vector<std::string> names;
  for (const auto& tensor : file.tensors) names.push_back(tensor->spec().name);
  EXPECT_EQ(names, (std::vector<std::string>{"scalar", "b\"\xc3\xa9", "nothing", "half", "flags"}));
  EXPECT_EQ(file.tensors[0]->spec().shape, Shape{});
  EXPECT_EQ(read_all_as_float(*file.tensors[0]), std::vector<float>{-7});
  EXPECT_EQ(file.tensors[1]->spec(), (TensorSpec{"b\"\xc3\xa9", DType::kF32, {2, 3}}));
  EXPECT_EQ(read_all_as_float(*file.tensors[1]), floats);
  EXPECT_EQ(file.tensors[2]->spec().shape, (Shape{0, 5}));
  EXPECT_EQ(read_all_as_float(*file.tensors[3]), (std::vector<float>{1, -2}));
  EXPECT_EQ(file.tensors[4]->spec().dtype, DType::kBool);
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"tool", "test"}}));
}

TEST(SafetensorsWriter, AlignsItsTensorsAndWritesAnEmptyFile) {
  const TempFolder folder;
  const std::vector<float> floats = {1};
  for (const std::string name : {"a", "ab", "abc", "abcdefgh"}) {
    const TempFolder own;
    const std::vector<SafetensorsTensor> tensors = {tensor_of(name, DType::kF32, {1}, floats)};
    EXPECT_EQ(written(own, tensors).bytes % 8, 4) << name;  // 8 + a multiple of 8 + one float
  }
  EXPECT_TRUE(written(folder, {}).tensors.empty());
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  const std::vector<std::uint8_t> bytes = {1};
  const auto refused = [](std::vector<SafetensorsTensor> tensors) {
    const TempFolder folder;
    return error_of([&] { write_safetensors(File::create(folder / "out"), tensors); });
  };
  EXPECT_TRUE(has_parts(refused({tensor_of("x", DType::kU4, {2}, bytes)}), {"\"x\"", "uint4"}));
  EXPECT_TRUE(
      has_parts(refused({tensor_of("x", DType::kU8, {1}, bytes), tensor_of("x", DType::kI8, {1}, bytes)}),
                {"two", "\"x\""}));
  EXPECT_TRUE(has_parts(refused({tensor_of("\xff", DType::kU8, {1}, bytes)}), {"UTF-8"}));
  EXPECT_TRUE(has_parts(refused({tensor_of("__metadata__", DType::kU8, {1}, bytes)}), {"__metadata__"}));
}

}  // namespace
}  // namespace bantam

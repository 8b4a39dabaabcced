#include "convert/strided_source.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::TempFolder;

// Random views against indexing one element after the other.
TEST(StridedSource, RandomViewsEqualIndexing) {
  std::mt19937 random(11);
  const auto below = [&](int n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  std::vector<float> values(20'000);
  std::iota(values.begin(), values.end(), 0.0f);
  const TempFolder folder;
  const auto path = folder.write(
      "f", "head" + std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4));
  const auto file = std::make_shared<const File>(File::open_read(path));
  for (int round = 0; round < 400; ++round) {
    Shape shape, strides;
    for (std::int64_t d = 1 + below(4); d > 0; --d) {
      shape.push_back(1 + below(7));
      strides.push_back(below(5) == 0 ? below(1500) : below(9));
    }
    const std::int64_t from = below(500);
    const auto source = make_strided_source({"w", DType::kF32, shape}, file, 4 + from * 4, strides);
    const std::int64_t begin = below(static_cast<int>(shape[0] + 1));
    const RowRange rows{begin, begin + below(static_cast<int>(shape[0] - begin + 1))};
    std::vector<float> actual(static_cast<std::size_t>(rows.count() * source->spec().width()));
    source->read(rows, std::as_writable_bytes(std::span(actual)));
    for (std::size_t i = 0; i < actual.size(); ++i) {
      std::int64_t rest = static_cast<std::int64_t>(i), place = from + rows.begin * strides[0];
      for (std::size_t d = shape.size(); d-- > 0;) {
        const std::int64_t size = d == 0 ? rows.count() : shape[d];
        place += rest % size * strides[d];
        rest /= size;
      }
      ASSERT_EQ(actual[i], values[static_cast<std::size_t>(place)])
          << to_string(shape) << to_string(strides) << i;
    }
  }
}

// Longer than the scratch, and farther apart than is worth reading through.
TEST(StridedSource, ReadsLongRunsInPieces) {
  constexpr std::int64_t kColumns = 600'000;
  std::vector<float> values(2 * kColumns);
  std::iota(values.begin(), values.end(), 0.0f);
  const TempFolder folder;
  const auto file = std::make_shared<const File>(File::open_read(
      folder.write("f", std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * 4))));
  const auto transposed = make_strided_source({"w", DType::kF32, {kColumns, 2}}, file, 0, {1, kColumns});
  const std::vector<float> columns = read_all_as_float(*transposed);
  const auto sparse = make_strided_source({"w", DType::kF32, {300}}, file, 8, {3999});
  const std::vector<float> far = read_all_as_float(*sparse);
  for (std::size_t i = 0; i < static_cast<std::size_t>(kColumns); ++i) {
    ASSERT_EQ(columns[2 * i], values[i]);
    ASSERT_EQ(columns[2 * i + 1], values[kColumns + i]);
  }
  for (std::size_t i = 0; i < far.size(); ++i) ASSERT_EQ(far[i], values[2 + i * 3999]);
}

}  // namespace
}  // namespace bantam

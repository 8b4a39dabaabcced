#include "quantize/sparse_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int64_t kRows = 7, kWidth = 53;

std::vector<float> noise(int seed) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < kRows * kWidth; ++i)
    values.push_back(static_cast<float>(std::sin(static_cast<double>((i + 1) * (seed + 3)) * 12.9898)));
  return values;
}

// Where zeros belong, the slow way: sorted by score and place.
std::vector<float> expected(const std::vector<float>& values, const std::vector<float>& scored,
                            const std::vector<float>& columns, std::size_t zeros) {
  std::vector<float> result = values;
  for (std::size_t r = 0; r < kRows; ++r) {
    std::set<std::pair<float, std::size_t>> order;
    for (std::size_t k = 0; k < kWidth; ++k)
      order.insert({std::abs(scored[r * kWidth + k]) * (columns.empty() ? 1.0F : columns[k]), k});
    auto next = order.begin();
    for (std::size_t i = 0; i < zeros; ++i) result[r * kWidth + (next++)->second] = 0;
  }
  return result;
}

TEST(SparseSource, LeavesOutTheLeastOfEveryRow) {
  const std::vector<float> values = noise(1);
  const TensorSourcePtr source = make_memory_source("w", {kRows, kWidth}, values);
  for (const double share : {0.0, 0.2, 0.5, 0.99}) {
    const auto zeros = static_cast<std::size_t>(share * kWidth);
    EXPECT_EQ(read_all_as_float(*make_sparse_source(source, source, {}, share)),
              expected(values, values, {}, zeros))
        << share;
  }
}

TEST(SparseSource, GoesByTheOtherScalingAndByWhatColumnsMeet) {
  const std::vector<float> values = noise(1), scored = noise(2);
  std::vector<float> columns;
  for (std::int64_t k = 0; k < kWidth; ++k) columns.push_back(static_cast<float>(1 + k * k % 17));
  const TensorSourcePtr sparse =
      make_sparse_source(make_memory_source("w", {kRows, kWidth}, values),
                         make_memory_source("s", {kRows, kWidth}, scored), columns, 0.3);
  const std::vector<float> all = expected(values, scored, columns, 15);
  EXPECT_EQ(read_all_as_float(*sparse), all);
  // Any rows by themselves are the same.
  std::vector<float> part(2 * kWidth);
  sparse->read({3, 5}, std::as_writable_bytes(std::span(part)));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 3 * kWidth));
}

TEST(SparseSource, OfEqualsTheFirstLeaveAndWhatIsNoNumberStays) {
  std::vector<float> values(8, 0.5F);
  values[1] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> left = read_all_as_float(*make_sparse_source(
      make_memory_source("w", {1, 8}, values), make_memory_source("w", {1, 8}, values), {}, 0.5));
  EXPECT_TRUE(std::isnan(left[1]));
  EXPECT_EQ((std::vector<float>{left[0], left[2], left[3], left[4], left[5], left[6], left[7]}),
            (std::vector<float>{0, 0, 0, 0, 0.5F, 0.5F, 0.5F}));
}

TEST(SparseSource, KeepsTheTypeOfItsSource) {
  const std::vector<std::uint16_t> halves = {0x3f80, 0x4000, 0xbf00, 0x3e80};  // bfloat16: 1, 2, -.5, .25
  std::vector<std::byte> bytes(8);
  std::memcpy(bytes.data(), halves.data(), 8);
  const TensorSourcePtr sparse =
      make_sparse_source(make_memory_source({"w", DType::kBF16, {1, 4}}, bytes),
                         make_memory_source({"w", DType::kBF16, {1, 4}}, bytes), {}, 0.5);
  EXPECT_EQ(sparse->spec().dtype, DType::kBF16);
  EXPECT_EQ(read_all_as_float(*sparse), (std::vector<float>{1, 2, 0, 0}));
}

}  // namespace
}  // namespace bantam

#include "base/md5_lanes.h"

#include <gtest/gtest.h>

#include <random>

#include "base/digest.h"
#include "tests/base/lane_streams.h"

namespace bantam {
namespace {

TEST(Md5Lanes, EqualsOpensslForStreamsOfDifferentLengths) {
  std::mt19937 random(5);
  for (const std::size_t streams : {std::size_t{1}, std::size_t{3}, std::size_t{17}, kMd5Lanes + 5}) {
    Md5Lanes lanes(streams);
    const auto data = random_streams(streams, 0, 14, random);
    update_in_pieces(lanes, data);
    for (std::size_t i = 0; i < streams; ++i) {
      Digest expected = Digest::md5();
      expected.update(data[i]);
      EXPECT_EQ(lanes.finish(i), expected.hex()) << streams << " streams, stream " << i;
    }
  }
}

TEST(Md5Lanes, KnowsTheTestSuiteOfRfc1321) {
  Md5Lanes lanes(2);
  const std::string abc = "abc";
  const std::vector<std::span<const std::byte>> chunks = {{}, std::as_bytes(std::span(abc))};
  lanes.update(chunks);
  EXPECT_EQ(lanes.finish(0), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(lanes.finish(1), "900150983cd24fb0d6963f7d28e17f72");
}

}  // namespace
}  // namespace bantam

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/random.h"
#include "calibrate/statistics/statistics_file.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

StatisticsInfo some_info() {
  StatisticsInfo info;
  info.tool = "bantam test";
  info.family = "bert";
  info.task = "text-classification";
  info.fingerprint = "f00d";
  info.collected = {true, true, true};
  info.data = {{"d1", "a.tsv", 100, 2000, {{0, 1}}}};
  info.sites = {{{"q", "k"}, 3}, {{"o"}, 2}};
  return info;
}

SiteStatistics some_site(std::int64_t width, std::uint64_t seed) {
  Random random(seed);
  SiteStatistics site(width, {true, true, true});
  site.rows = 10;
  site.batches = 1;
  site.low = -1.5f;
  site.high = 0.25f * static_cast<float>(seed);
  for (int i = 0; i < 40; ++i) {
    const auto bin = static_cast<std::size_t>(Histogram::bin(static_cast<float>(random.uniform() * 2 - 1)));
    site.histogram[bin] += 1;
    site.weighted[bin] += 300;
  }
  for (std::int64_t k = 0; k < width; ++k) {
    site.absmax[static_cast<std::size_t>(k)] = static_cast<float>(random.uniform());
    site.sums.add(k, random.uniform() - 0.5);
    site.squares.add(k, random.uniform());
  }
  const TriangleSums::Target target = site.products.target(1.0 + static_cast<double>(seed) * 1e6);
  for (std::int64_t& sum : target.sums) sum = random.below(1000) - 500;
  return site;
}

class StatisticsFiles : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("bantam-statistics-" + std::to_string(::getpid()));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path write(const std::string& name, const StatisticsInfo& info, std::uint64_t seed) {
    const fs::path path = directory_ / name;
    StagedFile file(path, true);
    StatisticsWriter writer(file.file());
    std::vector<SiteStatistics> sites;
    for (std::size_t i = 0; i < info.sites.size(); ++i)
      sites.push_back(some_site(info.sites[i].width, seed + i));
    for (std::size_t i = 0; i < sites.size(); ++i) writer.products(i, sites[i].products);
    for (std::size_t i = 0; i < sites.size(); ++i) writer.channels(i, sites[i]);
    writer.finish(info);
    file.commit();
    return path;
  }
  std::string merge(const std::string& name, const std::vector<fs::path>& paths) {
    std::vector<StatisticsFile> files;
    for (const fs::path& path : paths) files.push_back(StatisticsFile::open(path));
    StagedFile output(directory_ / name, true);
    merge_statistics(files, output.file());
    output.commit();
    return bytes(directory_ / name);
  }
  static std::string bytes(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }
  static std::string failure(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.message();
    }
    return "nothing";
  }

  fs::path directory_;
};

TEST_F(StatisticsFiles, ComeBackAsTheyWere) {
  const StatisticsFile file = StatisticsFile::open(write("a", some_info(), 1));
  EXPECT_EQ(file.info().tool, "bantam test");
  EXPECT_EQ(file.info().sites[0].weights, (std::vector<std::string>{"q", "k"}));
  EXPECT_EQ(file.info().data, some_info().data);
  for (std::size_t i = 0; i < 2; ++i) {
    const SiteStatistics written = some_site(i == 0 ? 3 : 2, 1 + i);
    const SiteStatistics read = file.channels(i);
    EXPECT_EQ(read.rows, 10);
    EXPECT_EQ(read.low, written.low);
    EXPECT_EQ(read.high, written.high);
    EXPECT_EQ(read.histogram, written.histogram);
    EXPECT_EQ(read.weighted, written.weighted);
    EXPECT_EQ(read.absmax, written.absmax);
    EXPECT_TRUE(std::ranges::equal(read.squares.words(), written.squares.words()));
    EXPECT_TRUE(std::ranges::equal(read.sums.words(), written.sums.words()));
    EXPECT_EQ(file.products(i).bins(), written.products.bins());
  }
}

TEST_F(StatisticsFiles, MergeToTheSameBytesInAnyOrder) {
  StatisticsInfo first = some_info(), second = some_info(), third = some_info();
  second.data[0].blocks = {{2, 3}};
  third.data = {{"d0", "b.tsv", 40, 900, {{0, 2}}}};
  const fs::path a = write("a", first, 1), b = write("b", second, 5), c = write("c", third, 9);
  const std::string all = merge("abc", {a, b, c});
  EXPECT_EQ(all, merge("cba", {c, b, a}));
  merge("ac", {a, c});
  EXPECT_EQ(all, merge("b+ac", {b, directory_ / "ac"}));
  const StatisticsFile merged = StatisticsFile::open(directory_ / "abc");
  ASSERT_EQ(merged.info().data.size(), 2u);
  EXPECT_EQ(merged.info().data[0].digest, "d0");
  EXPECT_EQ(merged.info().data[1].blocks,
            (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {2, 3}}));
  EXPECT_EQ(merged.rows(0), 30);
  EXPECT_EQ(merged.high(0), 9 * 0.25f);
}

TEST_F(StatisticsFiles, JoinNeighbouringBlocks) {
  StatisticsInfo second = some_info();
  second.data[0].blocks = {{1, 4}};
  merge("ab", {write("b", second, 5), write("a", some_info(), 1)});
  const StatisticsFile merged = StatisticsFile::open(directory_ / "ab");
  EXPECT_EQ(merged.info().data[0].blocks, (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 4}}));
}

TEST_F(StatisticsFiles, RefuseToCountABlockTwice) {
  const fs::path a = write("a", some_info(), 1);
  StatisticsInfo second = some_info();
  second.data[0].blocks = {{0, 4}};
  const fs::path b = write("b", second, 2);
  EXPECT_EQ(failure([&] {
              merge("ab", {a, b});
            }),
            b.string() + ": block 0 of \"a.tsv\" is in both; what overlaps cannot be merged");
}

TEST_F(StatisticsFiles, RefuseOtherModelsAndOtherKinds) {
  const fs::path a = write("a", some_info(), 1);
  StatisticsInfo other = some_info();
  other.data[0].blocks = {{1, 2}};
  other.fingerprint = "beef";
  const fs::path b = write("b", other, 2);
  EXPECT_EQ(failure([&] {
              merge("ab", {a, b});
            }),
            b.string() + ": was made for another checkpoint (or another task of it) than " + a.string());
}

TEST_F(StatisticsFiles, RefuseWhatIsNoneOrOfAnotherVersion) {
  const fs::path path = write("a", some_info(), 1);
  std::string content = bytes(path);
  put(directory_ / "text", "hello");
  EXPECT_EQ(failure([&] { StatisticsFile::open(directory_ / "text"); }),
            (directory_ / "text").string() + ": is not a file of statistics; bantam calibrate makes one");
  content[8] = 2;
  put(path, content);
  EXPECT_EQ(failure([&] { StatisticsFile::open(path); }),
            path.string() +
                ": is of version 2 of the format; this bantam reads version 1: run bantam calibrate again");
}

TEST_F(StatisticsFiles, RefuseEveryCut) {
  const fs::path path = write("a", some_info(), 1);
  const std::string content = bytes(path);
  for (std::size_t length = 0; length < content.size(); length += 37) {
    put(path, content.substr(0, length));
    EXPECT_THROW(StatisticsFile::open(path), Error) << length;
  }
}

TEST_F(StatisticsFiles, RefuseEveryChangeOfTheIndex) {
  const fs::path path = write("a", some_info(), 1);
  const std::string content = bytes(path);
  std::uint64_t index = 0;
  std::memcpy(&index, content.data() + 16, sizeof(index));
  for (std::size_t at = index; at < content.size(); at += 11) {
    std::string changed = content;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    put(path, changed);
    EXPECT_THROW(StatisticsFile::open(path), Error) << at;
  }
}

}  // namespace
}  // namespace bantam

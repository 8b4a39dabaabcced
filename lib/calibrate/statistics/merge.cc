#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "calibrate/statistics/statistics_file.h"

namespace bantam {
namespace {

using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

// Both lists in one, neighbours joined.
Ranges merge_ranges(Ranges ranges, const Ranges& others, const std::string& name) {
  ranges.insert(ranges.end(), others.begin(), others.end());
  std::ranges::sort(ranges);
  Ranges joined;
  for (const auto& range : ranges) {
    if (!joined.empty() && range.first < joined.back().second) {
      fail("block {} of {} is in both; what overlaps cannot be merged", range.first, quote(name));
    }
    if (!joined.empty() && range.first == joined.back().second) {
      joined.back().second = range.second;
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

bool same_sites(const std::vector<Site>& a, const std::vector<Site>& b) {
  return std::ranges::equal(
      a, b, [](const Site& x, const Site& y) { return x.weights == y.weights && x.width == y.width; });
}

void check_alike(const StatisticsFile& file, const StatisticsFile& first) {
  with_context(file.path().string(), [&] {
    const StatisticsInfo& mine = file.info();
    const StatisticsInfo& wanted = first.info();
    if (mine.fingerprint != wanted.fingerprint || mine.task != wanted.task ||
        !same_sites(mine.sites, wanted.sites)) {
      fail("was made for another checkpoint (or another task of it) than {}", first.path().string());
    }
    if (!(mine.collected == wanted.collected)) {
      fail("holds other kinds of statistics than {} (--what)", first.path().string());
    }
    if (mine.tool != wanted.tool)
      fail("was written by {}, {} by {}", mine.tool, first.path().string(), wanted.tool);
  });
}

}  // namespace

std::vector<CoveredData> merge_covered(const std::vector<CoveredData>& a, const std::vector<CoveredData>& b) {
  std::vector<CoveredData> merged = a;
  for (const CoveredData& data : b) {
    const auto same = std::ranges::find(merged, data.digest, &CoveredData::digest);
    if (same == merged.end()) {
      merged.push_back(data);
      continue;
    }
    if (same->texts != data.texts || same->tokens != data.tokens)
      fail("two data sets have the digest {}", data.digest);
    same->blocks = merge_ranges(same->blocks, data.blocks, data.name);
    same->name = std::min(same->name, data.name);  // whatever the order
  }
  std::ranges::sort(merged, {}, &CoveredData::digest);
  return merged;
}

void merge_statistics(const std::vector<StatisticsFile>& files, const File& output) {
  BANTAM_ASSERT(!files.empty());
  const StatisticsFile& first = files.front();
  StatisticsInfo info = first.info();
  for (std::size_t i = 1; i < files.size(); ++i) {
    check_alike(files[i], first);
    with_context(files[i].path().string(),
                 [&] { info.data = merge_covered(info.data, files[i].info().data); });
  }
  StatisticsWriter writer(output);
  for (std::size_t site = 0; site < info.sites.size(); ++site) {
    check_cancelled();
    TriangleSums sums(info.sites[site].width);
    for (const StatisticsFile& file : files) sums.add(file.products(site));
    writer.products(site, sums);
  }
  for (std::size_t site = 0; site < info.sites.size(); ++site) {
    SiteStatistics statistics = first.channels(site);
    for (std::size_t i = 1; i < files.size(); ++i) statistics.add(files[i].channels(site));
    writer.channels(site, statistics);
  }
  writer.finish(info);
}

}  // namespace bantam

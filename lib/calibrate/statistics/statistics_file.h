#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "calibrate/statistics/sites.h"
#include "calibrate/statistics/statistics_data.h"

namespace bantam {

// Files of statistics ("stats.bantam"): docs/formats.md describes them byte by byte. A file depends on the
// model, on the texts and on the version, not on how the work was split: what was gathered in parts and
// merged is the same file.

inline constexpr std::uint32_t kStatisticsVersion = 1;
// Texts are taken in blocks of so many; parts are whole blocks and batches never cross them.
inline constexpr std::int64_t kTextsPerBlock = 32;

// Which part of which data a file has seen.
struct CoveredData {
  std::string digest;                  // SHA-256 of all token ids of the data set, as hex
  std::string name;                    // of its file, for people
  std::int64_t texts = 0, tokens = 0;  // of the whole data set
  // Half-open ranges of blocks, in order, apart from each other.
  std::vector<std::pair<std::int64_t, std::int64_t>> blocks;
  bool operator==(const CoveredData&) const = default;
};

struct StatisticsInfo {
  std::string tool;  // version that wrote it
  std::string family;
  std::string task;
  std::string fingerprint;  // model_fingerprint()
  Collected collected;
  std::vector<CoveredData> data;  // by digest
  std::vector<Site> sites;
};

// The union of what two files have seen. Error where both have seen a block.
std::vector<CoveredData> merge_covered(const std::vector<CoveredData>& a, const std::vector<CoveredData>& b);

// Writes a file of statistics. Products come first, site after site, then the rest of every site, then
// finish().
class StatisticsWriter {
 public:
  explicit StatisticsWriter(const File& file);
  ~StatisticsWriter();
  void products(std::size_t site, const TriangleSums& sums);
  void channels(std::size_t site, const SiteStatistics& statistics);
  void finish(const StatisticsInfo& info);

 private:
  void add(std::string name, DType dtype, std::span<const std::byte> bytes, std::vector<std::int64_t> shape);
  const File& file_;
  std::int64_t offset_;
  std::unique_ptr<Json> tensors_;
  std::unique_ptr<Json> sites_;
};

// A file of statistics, opened: every claim of its index is checked, nothing else is read before it is asked
// for.
class StatisticsFile {
 public:
  static StatisticsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  const StatisticsInfo& info() const { return info_; }
  std::int64_t rows(std::size_t site) const { return entries_.at(site).rows; }
  float low(std::size_t site) const { return entries_.at(site).low; }
  float high(std::size_t site) const { return entries_.at(site).high; }
  // Everything of a site but its products. Error naming file and site where values make no sense.
  SiteStatistics channels(std::size_t site) const;
  TriangleSums products(std::size_t site) const;

 private:
  struct Place {
    std::int64_t offset = 0, bytes = 0;
  };
  struct Entry {
    std::int64_t rows = 0, batches = 0, histogram_first = 0;
    float low = 0, high = 0;
  };
  friend struct StatisticsIndex;
  template <typename T>
  std::vector<T> read(const std::string& name) const;

  std::shared_ptr<const File> file_;
  StatisticsInfo info_;
  std::vector<Entry> entries_;
  std::map<std::string, Place> tensors_;
};

// Adds up files of one model into `output`, whatever their order; memory holds one site. Errors: another
// model, other kinds of statistics, blocks that two of them have seen.
void merge_statistics(const std::vector<StatisticsFile>& files, const File& output);

}  // namespace bantam

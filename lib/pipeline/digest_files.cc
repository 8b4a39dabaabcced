#include "pipeline/digest_files.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/file.h"
#include "base/md5_lanes.h"
#include "base/parallel.h"
#include "base/sha256_lanes.h"

namespace bantam {
namespace {

// Of each file at a time: with as many files as there are lanes, a core's cache holds what both digests read.
constexpr std::int64_t kChunk = 32 * 1024;

struct OpenFile {
  OpenFile(const std::filesystem::path& path, std::size_t place)
      : file(File::open_read(path)), size(file.size()), index(place) {}
  File file;
  std::int64_t size;
  std::size_t index;
  std::int64_t offset = 0;
};

// The files of one thread: as many at a time as there are lanes; when one ends, the next one takes its lane.
void digest_list(std::span<const std::filesystem::path> paths, std::span<const std::size_t> list,
                 std::vector<FileDigests>& results, Progress& progress) {
  const std::size_t lanes = std::min(list.size(), kMd5Lanes);
  Sha256Lanes sha256(lanes);
  Md5Lanes md5(lanes);
  std::vector<std::optional<OpenFile>> files(lanes);
  std::vector<std::byte> buffer(lanes * static_cast<std::size_t>(kChunk));
  std::vector<std::span<const std::byte>> chunks(lanes);
  std::size_t begun = 0, ended = 0;
  while (ended < list.size()) {
    check_cancelled();
    std::int64_t bytes = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      std::optional<OpenFile>& open = files[lane];
      chunks[lane] = {};
      if (!open && begun == list.size()) continue;
      if (!open) {
        open.emplace(paths[list[begun]], list[begun]);
        ++begun;
      }
      const auto chunk =
          std::span(buffer).subspan(lane * static_cast<std::size_t>(kChunk),
                                    static_cast<std::size_t>(std::min(kChunk, open->size - open->offset)));
      open->file.read_at(open->offset, chunk);
      open->offset += std::ssize(chunk);
      bytes += std::ssize(chunk);
      chunks[lane] = chunk;
    }
    sha256.update(chunks);
    md5.update(chunks);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (!files[lane] || files[lane]->offset < files[lane]->size) continue;
      results[files[lane]->index] = {sha256.finish(lane), md5.finish(lane)};
      files[lane].reset();
      ++ended;
    }
    progress.advance(bytes);
  }
}

// Lists of about the same number of bytes, longest files first.
std::vector<std::vector<std::size_t>> share_out(std::span<const std::filesystem::path> paths, int threads) {
  std::vector<std::size_t> order(paths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::int64_t> sizes;
  for (const auto& path : paths) sizes.push_back(File::open_read(path).size());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  std::vector<std::vector<std::size_t>> lists(static_cast<std::size_t>(std::max(threads, 1)));
  std::vector<std::int64_t> bytes(lists.size());
  for (const std::size_t index : order) {
    const auto least = std::min_element(bytes.begin(), bytes.end()) - bytes.begin();
    lists[static_cast<std::size_t>(least)].push_back(index);
    bytes[static_cast<std::size_t>(least)] += sizes[index];
  }
  return lists;
}

}  // namespace

std::vector<FileDigests> digest_files(std::span<const std::filesystem::path> paths, int threads,
                                      Progress& progress) {
  std::vector<FileDigests> results(paths.size());
  const std::vector<std::vector<std::size_t>> lists = share_out(paths, threads);
  parallel_for(std::ssize(lists), threads, [&](std::int64_t list, int) {
    digest_list(paths, lists[static_cast<std::size_t>(list)], results, progress);
  });
  return results;
}

}  // namespace bantam

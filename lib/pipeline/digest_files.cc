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
constexpr std::int64_t kBlock = 32 * 1024;
static_assert(kDigestChunk % kBlock == 0);

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
  Sha256Lanes chunk_sha256(lanes);
  std::vector<std::optional<OpenFile>> files(lanes);
  std::vector<std::byte> buffer(lanes * static_cast<std::size_t>(kBlock));
  std::vector<std::span<const std::byte>> blocks(lanes), chunked(lanes);
  std::size_t begun = 0, ended = 0;
  while (ended < list.size()) {
    check_cancelled();
    std::int64_t bytes = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      std::optional<OpenFile>& open = files[lane];
      blocks[lane] = chunked[lane] = {};
      if (!open && begun == list.size()) continue;
      if (!open) {
        open.emplace(paths[list[begun]], list[begun]);
        ++begun;
      }
      const auto block =
          std::span(buffer).subspan(lane * static_cast<std::size_t>(kBlock),
                                    static_cast<std::size_t>(std::min(kBlock, open->size - open->offset)));
      open->file.read_at(open->offset, block);
      open->offset += std::ssize(block);
      bytes += std::ssize(block);
      blocks[lane] = block;
      if (chunk_count(open->size) > 0) chunked[lane] = block;
    }
    sha256.update(blocks);
    md5.update(blocks);
    chunk_sha256.update(chunked);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (!files[lane]) continue;
      FileDigests& result = results[files[lane]->index];
      const bool ends = files[lane]->offset == files[lane]->size;
      if (!chunked[lane].empty() && (ends || files[lane]->offset % kDigestChunk == 0)) {
        result.chunks.push_back(chunk_sha256.finish(lane));
      }
      if (!ends) continue;
      result.sha256 = sha256.finish(lane);
      result.md5 = md5.finish(lane);
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

std::int64_t chunk_count(std::int64_t bytes) {
  return bytes <= kDigestChunk ? 0 : (bytes + kDigestChunk - 1) / kDigestChunk;
}

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

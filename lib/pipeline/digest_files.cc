#include "pipeline/digest_files.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/md5_lanes.h"
#include "base/parallel.h"

namespace bantam {
namespace {

constexpr std::int64_t kChunk = 256 * 1024;

struct OpenFile {
  explicit OpenFile(const std::filesystem::path& path) : file(File::open_read(path)), size(file.size()) {}
  File file;
  std::int64_t size;
  Digest sha256 = Digest::sha256();
  std::vector<std::byte> chunk;
};

void digest_group(std::span<const std::filesystem::path> paths, std::span<const std::size_t> group,
                  std::vector<FileDigests>& results, Progress& progress) {
  std::vector<OpenFile> files;
  std::int64_t longest = 0;
  for (const std::size_t index : group) {
    files.emplace_back(paths[index]);
    longest = std::max(longest, files.back().size);
  }
  Md5Lanes md5(files.size());
  for (std::int64_t offset = 0; offset < longest; offset += kChunk) {
    check_cancelled();
    std::vector<std::span<const std::byte>> chunks;
    std::int64_t bytes = 0;
    for (OpenFile& open : files) {
      open.chunk.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(open.size - offset, 0, kChunk)));
      open.file.read_at(offset, open.chunk);
      open.sha256.update(open.chunk);
      chunks.emplace_back(open.chunk);
      bytes += std::ssize(open.chunk);
    }
    md5.update(chunks);
    progress.advance(bytes);
  }
  std::vector<std::string> hex = md5.hex();
  for (std::size_t i = 0; i < group.size(); ++i) results[group[i]] = {files[i].sha256.hex(), std::move(hex[i])};
}

}  // namespace

std::vector<FileDigests> digest_files(std::span<const std::filesystem::path> paths, int threads, Progress& progress) {
  std::vector<FileDigests> results(paths.size());
  // Files of similar length together, so that no lane idles; enough groups that no thread does.
  std::vector<std::size_t> order(paths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::int64_t> sizes;
  for (const auto& path : paths) sizes.push_back(File::open_read(path).size());
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  const auto per_group = static_cast<std::size_t>(std::clamp<std::int64_t>(ceil_div(std::ssize(paths), std::max(threads, 1)), 1, kMd5Lanes));
  const auto groups = ceil_div(std::ssize(paths), static_cast<std::int64_t>(per_group));
  parallel_for(groups, threads, [&](std::int64_t group, int) {
    const std::size_t begin = static_cast<std::size_t>(group) * per_group;
    digest_group(paths, std::span(order).subspan(begin, std::min(per_group, order.size() - begin)), results, progress);
  });
  return results;
}

}  // namespace bantam

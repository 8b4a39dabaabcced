#include "pipeline/serve/entity_tags.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;  // ns
constexpr std::int64_t kUnsettled = 2 * kSecond;
constexpr std::int64_t kMostSums = 64 << 20;

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * kSecond + time.tv_nsec;
}

std::map<std::string, std::string> read_sums(const fs::path& path) {
  std::map<std::string, std::string> digests;
  const std::string text = read_text_file(path, kMostSums);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (line.size() > 66 && line.substr(64, 2) == "  ") digests.emplace(line.substr(66), line.substr(0, 64));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return digests;
}

std::string digest_of(const File& file) {
  Digest digest = Digest::sha256();
  const std::int64_t size = file.size();
  std::vector<std::byte> buffer(1 << 20);
  for (std::int64_t offset = 0; offset < size; offset += std::ssize(buffer)) {
    const auto chunk =
        std::span(buffer).first(static_cast<std::size_t>(std::min(std::ssize(buffer), size - offset)));
    file.read_at(offset, chunk);
    digest.update(chunk);
  }
  return digest.hex();
}

}  // namespace

// All zeros where there is none. The time of the last change is the inode's: unlike that of the contents it
// cannot be set, and a file that is put in the place of another has a young one.
EntityTags::Look EntityTags::look_at(const fs::path& path, std::int64_t& changed) {
  struct stat status {};
  changed = 0;
  if (::stat(path.c_str(), &status) != 0) return {};
  changed = nanoseconds(status.st_ctim);
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim), changed};
}

// Empty: SHA256SUMS does not have it, or is older than it.
std::string EntityTags::listed(const std::string& name, std::int64_t changed) {
  const fs::path path = root_ / "SHA256SUMS";
  std::int64_t sums_changed = 0;
  const Look look = look_at(path, sums_changed);
  const std::lock_guard lock(mutex_);
  if (look != sums_look_) {
    sums_.clear();
    try {
      if (look != Look()) sums_ = read_sums(path);
    } catch (const Error&) {
      // gone again, or no text: digests are computed
    }
    sums_look_ = look;
    sums_changed_ = sums_changed;
  }
  const auto found = sums_.find(name);
  return found == sums_.end() || changed > sums_changed_ ? std::string() : found->second;
}

std::string EntityTags::computed(const std::string& name, const Look& look, const File& file) {
  const std::lock_guard hashing(hashing_);  // several requests for one file wait for one digest
  {
    const std::lock_guard lock(mutex_);
    const auto known = computed_.find(name);
    if (known != computed_.end() && known->second.first == look) return known->second.second;
  }
  std::string digest = digest_of(file);
  const std::lock_guard lock(mutex_);
  computed_[name] = {look, digest};
  return digest;
}

EntityTags::Tagged EntityTags::open(const std::string& name, const fs::path& path) {
  std::int64_t changed = 0, changed_since = 0;
  const Look look = look_at(path, changed);
  Tagged result{std::make_shared<const File>(File::open_read(path)), {}};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t age = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - changed;
  std::string digest = listed(name, changed);
  if (digest.empty() && age >= kUnsettled) digest = computed(name, look, *result.file);
  // What was looked at is what was opened, if it still looks so.
  const bool same = look_at(path, changed_since) == look && std::get<2>(look) == result.file->size();
  result.tag = same && !digest.empty() ? fmt::format("\"{}\"", digest)
                                       : fmt::format("W/\"{:x}-{:x}\"", result.file->size(), changed);
  return result;
}

}  // namespace bantam

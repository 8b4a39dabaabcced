#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

int open_or_fail(const fs::path& path, int flags, const char* action) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) fail_io(path.string(), action, errno);
  return descriptor;
}

// Renames unless `to` exists; 0 or the error (EEXIST when it does).
int rename_new(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system that cannot promise: rename() replaces an empty directory and nothing else.
  if (fs::exists(fs::symlink_status(to)) && !fs::is_directory(fs::symlink_status(to))) return EEXIST;
  if (::rename(from.c_str(), to.c_str()) == 0) return 0;
  return errno == ENOTEMPTY ? EEXIST : errno;
}

// Beside the target, so that a rename suffices.
File create_beside(const fs::path& target) {
  const fs::path parent = target.parent_path();
  if (!fs::is_directory(parent)) fail("{}: is not a directory; create it first", parent.string());
  static std::atomic<int> count = 0;
  const std::string name =
      fmt::format(".{}.partial-{}-{}", target.filename().string(), ::getpid(), count.fetch_add(1));
  return File::create(parent / name);
}

}  // namespace

File::File(int descriptor, fs::path path) : descriptor_(descriptor), path_(std::move(path)) {}

File File::open_read(const fs::path& path) {
  // O_NONBLOCK: a FIFO under this name must be refused below, not waited for.
  File file(open_or_fail(path, O_RDONLY | O_NONBLOCK, "open"), path);
  struct stat status {};
  if (::fstat(file.descriptor_, &status) != 0) fail_io(path.string(), "stat", errno);
  if (!S_ISREG(status.st_mode)) fail("{}: is not a regular file", path.string());
  return file;
}

File File::create(const fs::path& path) {
  return File(open_or_fail(path, O_RDWR | O_CREAT | O_EXCL, "create"), path);
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::int64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail_io(path_.string(), "stat", errno);
  return status.st_size;
}

void File::read_at(std::int64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_, out.data(), out.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io(path_.string(), "read", errno);
    if (got == 0) fail("{}: truncated: ends before byte {}", path_.string(), offset + std::ssize(out));
    out = out.subspan(static_cast<std::size_t>(got));
    offset += got;
  }
}

std::shared_ptr<const std::byte> File::map(std::int64_t offset, std::int64_t length) const {
  if (offset < 0 || length <= 0 || length > size() - offset) {
    fail("{}: truncated: ends before byte {}", path_.string(), offset + length);
  }
  const std::int64_t begin = offset / ::sysconf(_SC_PAGESIZE) * ::sysconf(_SC_PAGESIZE);
  const auto mapped = static_cast<std::size_t>(offset + length - begin);
  void* pages = ::mmap(nullptr, mapped, PROT_READ, MAP_PRIVATE, descriptor_, begin);
  if (pages == MAP_FAILED) fail_io(path_.string(), "map", errno);
  return {static_cast<const std::byte*>(pages) + (offset - begin),
          [pages, mapped](const std::byte*) { ::munmap(pages, mapped); }};
}

void File::write_at(std::int64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_io(path_.string(), "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += put;
  }
}

void File::resize(std::int64_t size) const {
  if (::ftruncate(descriptor_, size) != 0) fail_io(path_.string(), "resize", errno);
}

void File::sync() const {
  if (::fdatasync(descriptor_) != 0) fail_io(path_.string(), "sync", errno);
}

void File::start_writeback(std::int64_t offset, std::int64_t length) const {
  static_cast<void>(::sync_file_range(descriptor_, offset, length, SYNC_FILE_RANGE_WRITE));
}

std::string read_text_file(const fs::path& path, std::int64_t max_bytes) {
  const File file = File::open_read(path);
  const std::int64_t size = file.size();
  if (size > max_bytes) fail("{}: is {} bytes; at most {} were expected", path.string(), size, max_bytes);
  std::string text(static_cast<std::size_t>(size), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void write_text_file(const fs::path& path, std::string_view text) {
  const File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(text)));
}

void replace_text_file(const fs::path& path, std::string_view text) {
  StagedFile staged(path, true);
  staged.file().write_at(0, std::as_bytes(std::span(text)));
  staged.commit();
}

void sync_directory(const fs::path& path) {
  const int descriptor = open_or_fail(path, O_RDONLY | O_DIRECTORY, "open");
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  // Some file systems cannot sync a directory; its entries are then durable by other means.
  if (result != 0 && error != EINVAL && error != ENOTSUP) fail_io(path.string(), "sync", error);
}

StagedDirectory::StagedDirectory(fs::path target, bool replace)
    : target_(fs::absolute(target).lexically_normal()), replace_(replace) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // "out/" names the same directory as "out"
  if (fs::exists(fs::symlink_status(target_)) && !replace) {
    fail("{}: exists already; choose another output, or give --force to replace it", target_.string());
  }
  const fs::path parent = target_.parent_path();
  if (!fs::is_directory(parent)) fail("{}: is not a directory; create it first", parent.string());
  std::string pattern = (parent / fmt::format(".{}.partial-XXXXXX", target_.filename().string())).string();
  if (::mkdtemp(pattern.data()) == nullptr) fail_io(parent.string(), "write into", errno);
  staging_ = pattern;
  // mkdtemp makes it private; a bundle is meant to be served.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(staging_.c_str(), 0777 & ~mask);
}

StagedDirectory::~StagedDirectory() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void StagedDirectory::commit() {
  BANTAM_ASSERT(!committed_);
  sync_directory(staging_);
  if (replace_ && exchange()) return;
  int error = rename_new(staging_, target_);
  // Somebody else may make the target again between the two renames.
  for (int attempt = 0; error == EEXIST && replace_ && attempt < 100; ++attempt) {
    fs::path retired = staging_;
    retired += ".old";
    if (::rename(target_.c_str(), retired.c_str()) != 0 && errno != ENOENT)
      fail_io(target_.string(), "replace", errno);
    error = rename_new(staging_, target_);
    if (error != 0 && error != EEXIST) static_cast<void>(::rename(retired.c_str(), target_.c_str()));
    std::error_code ignored;
    fs::remove_all(retired, ignored);
  }
  if (error == EEXIST)
    fail("{}: was made by somebody else in the meantime; choose another output", target_.string());
  if (error != 0) fail_io(target_.string(), "create", error);
  committed_ = true;
  sync_directory(target_.parent_path());
}

// Puts the new directory in the place of the old one at once, where the file system can. False: it cannot, or
// there is nothing to replace.
bool StagedDirectory::exchange() {
  if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) return false;
  committed_ = true;
  sync_directory(target_.parent_path());
  std::error_code ignored;
  fs::remove_all(staging_, ignored);  // the old one
  return true;
}

namespace {

fs::path new_target(const fs::path& target, bool replace) {
  fs::path whole = fs::absolute(target).lexically_normal();
  if (!whole.has_filename()) fail("{}: is the name of a folder where a file was expected", target.string());
  const fs::file_status status = fs::symlink_status(whole);
  if (fs::is_directory(status)) fail("{}: is a folder where a file was expected", target.string());
  if (fs::exists(status) && !replace) {
    fail("{}: exists already; choose another file, or give --force to replace it", target.string());
  }
  return whole;
}

}  // namespace

StagedFile::StagedFile(fs::path target, bool replace)
    : target_(new_target(target, replace)), file_(create_beside(target_)), replace_(replace) {}

StagedFile::~StagedFile() {
  if (!committed_) ::unlink(file_.path().c_str());
}

void StagedFile::commit() {
  BANTAM_ASSERT(!committed_);
  file_.sync();
  const int error = !replace_                                              ? rename_new(file_.path(), target_)
                    : ::rename(file_.path().c_str(), target_.c_str()) == 0 ? 0
                                                                           : errno;
  if (error == EEXIST)
    fail("{}: was made by somebody else in the meantime; choose another file", target_.string());
  if (error != 0) fail_io(target_.string(), "create", error);
  committed_ = true;
  sync_directory(target_.parent_path());
}

}  // namespace bantam

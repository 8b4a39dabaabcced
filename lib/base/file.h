#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bantam {

// An open file descriptor. Positioned reads and writes are safe from several threads at once.
// Every failure is an Error that names the path.
class File {
 public:
  static File open_read(const std::filesystem::path& path);
  // Creates the file; it must not exist yet.
  static File create(const std::filesystem::path& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  std::int64_t size() const;

  // Fills `out` from `offset`; a file that ends earlier is an error ("truncated").
  void read_at(std::int64_t offset, std::span<std::byte> out) const;
  // The bytes as read-only memory that the kernel fills when it is looked at: for large tables of which
  // little is used. Whoever shortens the file meanwhile ends the process (SIGBUS).
  std::shared_ptr<const std::byte> map(std::int64_t offset, std::int64_t length) const;
  void write_at(std::int64_t offset, std::span<const std::byte> bytes) const;
  void resize(std::int64_t size) const;
  // Flushes data to the device.
  void sync() const;
  // Asks the kernel to start writing dirty pages back; never waits, never fails.
  void start_writeback(std::int64_t offset, std::int64_t length) const;

 private:
  File(int descriptor, std::filesystem::path path);
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// Whole small file as a string. A file above `max_bytes` is refused, not read.
std::string read_text_file(const std::filesystem::path& path, std::int64_t max_bytes);
void write_text_file(const std::filesystem::path& path, std::string_view text);
// The same where a file of that name may be: written beside it and renamed, so that a failure leaves the old
// one.
void replace_text_file(const std::filesystem::path& path, std::string_view text);
void sync_directory(const std::filesystem::path& path);

// A directory that is built under a temporary name beside its target and appears by one rename.
// The destructor removes what was not committed, so that a failure leaves nothing half-written behind.
class StagedDirectory {
 public:
  // Refuses an existing target unless `replace`; refuses a parent that does not exist or is not writable.
  // The target itself is not touched before commit().
  StagedDirectory(std::filesystem::path target, bool replace);
  ~StagedDirectory();
  StagedDirectory(const StagedDirectory&) = delete;
  StagedDirectory& operator=(const StagedDirectory&) = delete;

  const std::filesystem::path& path() const { return staging_; }
  // Refuses a target that was made in the meantime unless `replace`. An old target is replaced in one step
  // where the file system can exchange two directories (Linux's do).
  void commit();

 private:
  bool exchange();
  std::filesystem::path target_;
  std::filesystem::path staging_;
  bool replace_ = false;
  bool committed_ = false;
};

// A file that is written under a temporary name beside its target and appears by one rename, as
// StagedDirectory does for folders.
class StagedFile {
 public:
  StagedFile(std::filesystem::path target, bool replace);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  const File& file() const { return file_; }
  // Flushes and renames. Refuses a target that was made in the meantime unless `replace`.
  void commit();

 private:
  std::filesystem::path target_;
  File file_;
  bool replace_ = false;
  bool committed_ = false;
};

}  // namespace bantam

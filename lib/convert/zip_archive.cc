#include "convert/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kDirectoryEnd = 0x06054b50;
constexpr std::uint32_t kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kZip64EndBytes = 56,
                      kLocatorBytes = 20;
constexpr std::int64_t kMaxComment = 0xffff;
constexpr std::int64_t kMaxDirectory = 64 << 20;
constexpr std::uint64_t kMaxMembers = 1 << 20;
constexpr std::uint16_t kZip64Extra = 1;

// Little-endian numbers out of bytes whose length was checked.
template <typename T>
T number(std::string_view bytes, std::size_t at) {
  T value;
  BANTAM_ASSERT(at + sizeof(value) <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

std::string read(const File& file, std::int64_t offset, std::size_t bytes) {
  std::string text(bytes, '\0');
  file.read_at(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

struct Directory {
  std::uint64_t offset = 0, bytes = 0, members = 0;
  std::int64_t end = 0;  // where the records that describe it begin
};

// The record of the end, which may have a comment behind it.
std::int64_t find_end(const File& file, std::int64_t size, std::string& record) {
  const std::int64_t tail = std::min<std::int64_t>(size, static_cast<std::int64_t>(kEndBytes) + kMaxComment);
  const std::string text = read(file, size - tail, static_cast<std::size_t>(tail));
  for (std::size_t at = text.size() + 1 - std::min(text.size() + 1, kEndBytes); at-- > 0;) {
    if (number<std::uint32_t>(text, at) != kDirectoryEnd) continue;
    if (number<std::uint16_t>(text, at + 20) != text.size() - at - kEndBytes) continue;
    record = text.substr(at, kEndBytes);
    return size - tail + static_cast<std::int64_t>(at);
  }
  fail("has no zip directory at its end: it is cut off, or no zip archive; download the file again");
}

Directory find_directory(const File& file, std::int64_t size) {
  std::string record;
  const std::int64_t end = find_end(file, size, record);
  if (number<std::uint16_t>(record, 4) != number<std::uint16_t>(record, 6))
    fail("is a part of a zip of several disks");
  Directory directory{number<std::uint32_t>(record, 16), number<std::uint32_t>(record, 12),
                      number<std::uint16_t>(record, 10), end};
  const bool wide =
      directory.offset == 0xffffffff || directory.bytes == 0xffffffff || directory.members == 0xffff;
  const auto before = end - static_cast<std::int64_t>(kLocatorBytes);
  if (before < 0) return directory;
  const std::string locator = read(file, before, kLocatorBytes);
  if (number<std::uint32_t>(locator, 0) != kZip64Locator) {
    if (wide) fail("the zip directory lacks its zip64 record");
    return directory;
  }
  const auto at = number<std::uint64_t>(locator, 8);
  if (at > static_cast<std::uint64_t>(before) || static_cast<std::uint64_t>(before) - at < kZip64EndBytes) {
    fail("the zip64 record lies outside of the file");
  }
  const std::string large = read(file, static_cast<std::int64_t>(at), kZip64EndBytes);
  if (number<std::uint32_t>(large, 0) != kZip64End) fail("the zip64 record is damaged");
  return {number<std::uint64_t>(large, 48), number<std::uint64_t>(large, 40),
          number<std::uint64_t>(large, 32), static_cast<std::int64_t>(at)};
}

struct Entry {
  ZipMember member;
  std::int64_t header = 0;  // offset of its local header
};

// Sizes and offset that do not fit into 32 bits are in an extra field, in this order.
void apply_zip64(std::string_view extra, std::uint64_t& bytes, std::uint64_t& stored, std::uint64_t& header) {
  while (extra.size() >= 4) {
    const auto id = number<std::uint16_t>(extra, 0);
    const std::size_t length = number<std::uint16_t>(extra, 2);
    if (length > extra.size() - 4) fail("its extra field is damaged");
    std::string_view field = extra.substr(4, length);
    extra.remove_prefix(4 + length);
    if (id != kZip64Extra) continue;
    for (std::uint64_t* value : {&bytes, &stored, &header}) {
      if (*value != 0xffffffff) continue;
      if (field.size() < 8) fail("its zip64 field is too short");
      *value = number<std::uint64_t>(field, 0);
      field.remove_prefix(8);
    }
    return;
  }
}

std::int64_t inside(std::uint64_t value, std::int64_t limit, std::string_view what) {
  if (value > static_cast<std::uint64_t>(limit)) fail("its {} of {} lies beyond the file", what, value);
  return static_cast<std::int64_t>(value);
}

// One entry of the central directory, taken from the front of `bytes`.
Entry take_entry(std::string_view& bytes, const Directory& directory) {
  if (bytes.size() < kEntryBytes || number<std::uint32_t>(bytes, 0) != kDirectoryEntry) {
    fail("the zip directory is damaged");
  }
  const std::size_t name = number<std::uint16_t>(bytes, 28), extra = number<std::uint16_t>(bytes, 30);
  const std::size_t comment = number<std::uint16_t>(bytes, 32);
  if (name + extra + comment > bytes.size() - kEntryBytes) fail("the zip directory is cut off");
  Entry entry;
  entry.member.name = bytes.substr(kEntryBytes, name);
  with_context(quote(entry.member.name), [&] {
    if ((number<std::uint16_t>(bytes, 8) & 1) != 0) fail("is encrypted");
    if (const auto method = number<std::uint16_t>(bytes, 10); method != 0) {
      fail("is compressed (zip method {}); torch.save stores what it writes: save the file again with it",
           method);
    }
    if (number<std::uint16_t>(bytes, 34) != 0) fail("lies on another disk of the zip");
    std::uint64_t stored = number<std::uint32_t>(bytes, 20), size = number<std::uint32_t>(bytes, 24);
    std::uint64_t header = number<std::uint32_t>(bytes, 42);
    apply_zip64(bytes.substr(kEntryBytes + name, extra), size, stored, header);
    if (stored != size) fail("is stored in {} bytes and claims {}", stored, size);
    entry.member.bytes = inside(size, directory.end, "size");
    entry.header = inside(header, directory.end, "offset");
  });
  bytes.remove_prefix(kEntryBytes + name + extra + comment);
  return entry;
}

// Where the bytes of a member begin is known by its local header alone.
void place(const File& file, std::int64_t directory, Entry& entry) {
  const std::size_t length = kLocalBytes + entry.member.name.size();
  if (directory - entry.header < static_cast<std::int64_t>(length))
    fail("its header lies beyond the zip directory");
  const std::string header = read(file, entry.header, length);
  if (number<std::uint32_t>(header, 0) != kLocalHeader || number<std::uint16_t>(header, 8) != 0 ||
      number<std::uint16_t>(header, 26) != entry.member.name.size() ||
      header.compare(kLocalBytes, std::string::npos, entry.member.name) != 0) {
    fail("its header and the zip directory disagree");
  }
  entry.member.offset = entry.header + static_cast<std::int64_t>(length) + number<std::uint16_t>(header, 28);
  if (entry.member.offset > directory || entry.member.bytes > directory - entry.member.offset) {
    fail("its {} bytes do not fit before the zip directory", entry.member.bytes);
  }
}

void check_apart(const std::vector<Entry>& entries) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const ZipMember& member = entries[i].member;
    names.push_back(member.name);
    if (i + 1 < entries.size() && entries[i + 1].header < member.offset + member.bytes) {
      fail("{}: overlaps {} in the archive", quote(entries[i + 1].member.name), quote(member.name));
    }
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) fail("{}: is in the archive twice", quote(*twice));
}

}  // namespace

std::vector<ZipMember> read_zip_members(const File& file) {
  const std::int64_t size = file.size();
  const Directory directory = find_directory(file, size);
  const std::int64_t begin = inside(directory.offset, directory.end, "directory's offset");
  const std::int64_t bytes = inside(directory.bytes, directory.end - begin, "directory's size");
  if (bytes > kMaxDirectory)
    fail("a zip directory of {} bytes; at most {} are accepted", bytes, kMaxDirectory);
  if (directory.members > kMaxMembers || directory.members * kEntryBytes > directory.bytes) {
    fail("a zip directory of {} bytes cannot list {} members", bytes, directory.members);
  }
  const std::string text = read(file, begin, static_cast<std::size_t>(bytes));
  std::string_view rest = text;
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    Entry entry = take_entry(rest, directory);
    if (entry.member.name.ends_with('/') && entry.member.bytes == 0) continue;
    with_context(quote(entry.member.name), [&] { place(file, begin, entry); });
    entries.push_back(std::move(entry));
  }
  if (!rest.empty()) fail("the zip directory has {} bytes more than its members take", rest.size());
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return std::pair(a.header, a.member.name) < std::pair(b.header, b.member.name);
  });
  check_apart(entries);
  std::vector<ZipMember> members;
  for (Entry& entry : entries) members.push_back(std::move(entry.member));
  return members;
}

}  // namespace bantam

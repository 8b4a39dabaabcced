#include <algorithm>
#include <array>
#include <string>
#include <system_error>

#include "base/ascii.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "pipeline/verify/checks.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::size_t kMaxFiles = 100'000;

// By its first bytes. A template or a model card may well begin with "<"; those are not read by any runtime.
FileNature nature_of(const fs::path& path, std::int64_t bytes) {
  if (bytes == 0) return FileNature::kEmpty;
  std::array<char, 256> buffer{};
  const File file = File::open_read(path);
  const auto length = static_cast<std::size_t>(std::min<std::int64_t>(bytes, std::ssize(buffer)));
  file.read_at(0, std::as_writable_bytes(std::span(buffer).first(length)));
  const std::string_view raw(buffer.data(), length);
  if (raw.starts_with("version https://git-lfs")) return FileNature::kLfsPointer;
  const std::string start =
      ascii_lower(raw.substr(std::min(length, raw.find_first_not_of(" \t\r\n\xEF\xBB\xBF"))));
  const bool page = path.extension() == ".html";
  if (!page && (start.starts_with("<!doctype html") || start.starts_with("<html"))) return FileNature::kHtml;
  return FileNature::kPlausible;
}

// What tools and sites leave behind (.cache/ of downloads, .nojekyll, .gitattributes): no part of any bundle.
bool is_hidden(std::string_view name) {
  return name.starts_with('.') || name.find("/.") != name.npos;
}

class Walk {
 public:
  explicit Walk(Verification& verification)
      : view_(verification.bundle),
        findings_(verification.findings),
        inside_(fs::canonical(verification.bundle.root)) {}

  void run() {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(view_.root)) {
      check_cancelled();
      const std::string name = entry.path().lexically_relative(view_.root).generic_string();
      if (entry.is_directory() && !entry.is_symlink()) continue;
      if (view_.files.size() == kMaxFiles) fail("more than {} files", kMaxFiles);
      view_.files.emplace(name, look_at(entry, name));
    }
  }

 private:
  BundleFile look_at(const fs::directory_entry& entry, const std::string& name) {
    std::error_code error;
    if (entry.is_symlink()) {
      const fs::path target = fs::canonical(entry.path(), error);
      if (error) return bad(name, FileNature::kNotAFile, "is a link to nothing");
      const auto parts = std::mismatch(inside_.begin(), inside_.end(), target.begin(), target.end());
      if (parts.first != inside_.end()) {
        return bad(name, FileNature::kOutside, "is a link that leads out of the bundle");
      }
    }
    if (!entry.is_regular_file(error)) return bad(name, FileNature::kNotAFile, "is not a regular file");
    BundleFile file{static_cast<std::int64_t>(entry.file_size(error)), FileNature::kPlausible};
    try {
      file.nature = nature_of(entry.path(), file.bytes);
    } catch (const Error& failure) {
      return bad(name, FileNature::kUnreadable, "cannot be read: " + failure.message());
    }
    if (is_hidden(name)) return file;
    switch (file.nature) {
      case FileNature::kEmpty:
        findings_.error(name, "is empty");
        break;
      case FileNature::kLfsPointer:
        findings_.error(name, "is a Git-LFS pointer, not the file itself; fetch it with \"git lfs pull\"");
        break;
      case FileNature::kHtml:
        findings_.error(name, "is a web page (an error page that was saved under this name?)");
        break;
      default:
        break;
    }
    return file;
  }

  BundleFile bad(const std::string& name, FileNature nature, std::string_view what) {
    findings_.error(name, "{}", what);
    return {0, nature};
  }

  BundleView& view_;
  Findings& findings_;
  fs::path inside_;
};

}  // namespace

void check_files(Verification& verification) {
  Walk(verification).run();
}

}  // namespace bantam

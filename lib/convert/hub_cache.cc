#include "convert/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

bool is_hex(std::string_view text, std::size_t length) {
  return text.size() == length &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id_part(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  // The hub refuses "--" and ".." in names; the cache relies on it.
  return !part.empty() && part.size() <= 96 && std::ranges::all_of(part, allowed) && part.front() != '.' &&
         part.front() != '-' && part.back() != '.' && part.back() != '-' && part.find("--") == part.npos &&
         part.find("..") == part.npos;
}

// Branches and tags may hold slashes ("refs/pr/1").
bool is_revision(std::string_view text) {
  if (text.empty() || text.size() > 255) return false;
  const auto printable = [](char c) { return c > 0x20 && c < 0x7f && c != '\\'; };
  if (!std::ranges::all_of(text, printable)) return false;
  while (true) {
    const std::size_t slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == text.npos) return true;
    text.remove_prefix(slash + 1);
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

fs::path with_home(const std::string& text) {
  if (text != "~" && !text.starts_with("~/")) return text;
  const std::string home = environment("HOME");
  if (home.empty()) fail("HOME is not set, so the Hugging Face cache cannot be found; set HF_HUB_CACHE");
  return fs::path(home) / fs::path(text).lexically_relative("~");
}

// "a1b2..., c3d4..." of the snapshots that are there, at most five.
std::string snapshots_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder / "snapshots", error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 5); ++i)
    text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > 5) text += ", ...";
  return text;
}

}  // namespace

std::optional<HubId> parse_hub_id(std::string_view text) {
  HubId id;
  if (const std::size_t at = text.find('@'); at != text.npos) {
    id.revision = text.substr(at + 1);
    if (!is_revision(id.revision)) return std::nullopt;
    text = text.substr(0, at);
  }
  const std::size_t slash = text.find('/');
  if (!is_id_part(text.substr(0, slash))) return std::nullopt;
  if (slash != text.npos && !is_id_part(text.substr(slash + 1))) return std::nullopt;
  id.repository = text;
  return id;
}

fs::path hub_cache_directory() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string value = environment(name); !value.empty()) return with_home(value);
  }
  if (const std::string value = environment("HF_HOME"); !value.empty()) return with_home(value) / "hub";
  if (const std::string value = environment("XDG_CACHE_HOME"); !value.empty()) {
    return with_home(value) / "huggingface" / "hub";
  }
  return with_home("~/.cache/huggingface/hub");
}

fs::path find_in_hub_cache(const HubId& id) {
  std::string name = "models--" + id.repository;
  if (const std::size_t slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  const fs::path cache = hub_cache_directory();
  const fs::path folder = cache / name;
  const std::string download = id.revision == "main"
                                   ? fmt::format("hf download {}", id.repository)
                                   : fmt::format("hf download {} --revision {}", id.repository, id.revision);
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(
        "{}: is not in the Hugging Face cache {}, and there is no folder of that name; bantam downloads "
        "nothing: "
        "run \"{}\" first",
        id.repository, cache.string(), download);
  }
  std::string commit = id.revision;
  const fs::path ref = folder / "refs" / id.revision;
  if (fs::is_regular_file(ref, error)) {
    commit = read_text_file(ref, 4096);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' '))
      commit.pop_back();
    if (!is_hex(commit, 40))
      fail("{}: holds {} where a commit was expected", ref.string(), quote(commit, 60));
  } else if (!is_hex(commit, 40)) {
    fail(
        "{}: the Hugging Face cache has no revision {} of it: {} does not exist (snapshots there: {}); run "
        "\"{}\"",
        id.repository, quote(id.revision), ref.string(), snapshots_in(folder), download);
  }
  fs::path snapshot = folder / "snapshots" / commit;
  if (!fs::is_directory(snapshot, error)) {
    fail("{}: the Hugging Face cache has no snapshot {}; run \"{}\"", id.repository, snapshot.string(),
         download);
  }
  return snapshot;
}

std::string hub_cache_sha256(const fs::path& file) {
  std::error_code error;
  if (!fs::is_symlink(file, error)) return {};
  const fs::path blob = fs::canonical(file, error);
  if (error || blob.parent_path().filename() != "blobs" || !is_hex(blob.filename().string(), 64)) return {};
  return blob.filename().string();
}

}  // namespace bantam

#include "convert/checkpoint.h"

#include <system_error>
#include <utility>

#include "base/error.h"
#include "convert/hub_cache.h"
#include "convert/weight_files.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

FileNames files_in(const fs::path& directory) {
  FileNames names;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  if (error) fail_io(directory.string(), "list", error.value());
  return names;
}

Config open_config(const fs::path& directory, const FileNames& names) {
  if (!names.contains("config.json")) {
    if (names.contains("0_Transformer")) {
      fail(
          "{}: has no config.json; the encoder of this sentence-transformers model is a folder of its own: "
          "{}",
          directory.string(), (directory / "0_Transformer").string());
    }
    fail("{}: has no config.json; give the folder of a Hugging Face checkpoint", directory.string());
  }
  fs::path path = directory / "config.json";
  refuse_broken_link(path);
  return Config::read(std::move(path));
}

}  // namespace

fs::path resolve_source(std::string_view source) {
  if (source.empty()) fail("no source is given; name the folder of a checkpoint or a hub id");
  const fs::path path(source);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return path;
  if (fs::exists(status)) {
    fs::path parent = path.parent_path();
    if (parent.empty()) parent = ".";
    fail("{}: is a file; give the folder of the checkpoint: {}", path.string(), parent.string());
  }
  if (const auto id = parse_hub_id(source)) return find_in_hub_cache(*id);
  fail_io(path.string(), "open the folder", error ? error.value() : ENOENT);
}

Checkpoint open_checkpoint(std::string_view source) {
  const fs::path directory = resolve_source(source);
  const FileNames names = files_in(directory);
  Checkpoint checkpoint{directory, std::string(source), open_config(directory, names), {}, {}, {}, {}};
  open_weight_files(checkpoint, names);
  return checkpoint;
}

}  // namespace bantam

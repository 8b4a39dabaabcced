#include "convert/weight_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "convert/hub_cache.h"
#include "convert/safetensors.h"
#include "convert/torch_file.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

// Indexes of models with hundreds of experts per layer take some 15 MB.
constexpr JsonLimits kIndexLimits{.max_bytes = 32 << 20, .max_depth = 8};

// "a", "b", "c" and 4 more
std::string listed(const FileNames& names) {
  std::string text;
  std::size_t shown = 0;
  for (const std::string& name : names) {
    if (shown == 10) return text + fmt::format(" and {} more", names.size() - shown);
    if (shown++ > 0) text += ", ";
    text += quote(name);
  }
  return text;
}

// A way to store weights: one file, or shards with an index.
struct Format {
  std::string_view single, index;
  std::string_view shard_prefix, extension;
  WeightFile (*open)(const fs::path& path);

  // model-00001-of-00003.safetensors, as save_pretrained names shards
  bool is_shard_name(std::string_view name) const {
    return name.starts_with(shard_prefix) && name.ends_with(extension) && name.find("-of-") != name.npos;
  }
};
constexpr std::array<Format, 2> kFormats = {{
    {"model.safetensors", "model.safetensors.index.json", "model-", ".safetensors", open_safetensors},
    {"pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-", ".bin", open_torch_file},
}};

FileNames shards_in(const FileNames& names, const Format& format) {
  FileNames shards;
  for (const std::string& name : names) {
    if (format.is_shard_name(name)) shards.insert(name);
  }
  return shards;
}

// What is there instead of weights that can be read.
[[noreturn]] void fail_without_weights(const fs::path& directory, const FileNames& names) {
  const std::string where = directory.string();
  if (names.contains("adapter_model.safetensors") || names.contains("adapter_model.bin")) {
    fail(
        "{}: is a LoRA adapter, not a whole checkpoint; give the model that it was trained on as the source, and "
        "this folder with --adapter",
        where);
  }
  const auto& [single, index] = std::pair(kFormats[0].single, kFormats[0].index);
  if (names.empty()) fail("{}: is an empty folder; {} or {} was expected", where, single, index);
  fail("{}: holds no weights: {} or {} (or pytorch_model.bin) was expected; it holds {}", where, single,
       index, listed(names));
}

// Opens one weight file of the folder and records it.
WeightFile open_weights(Checkpoint& checkpoint, const Format& kind, const std::string& name) {
  const fs::path path = checkpoint.directory / name;
  refuse_broken_link(path);
  WeightFile file = kind.open(path);
  const auto format = file.metadata.find("format");
  if (format != file.metadata.end() && (format->second == "tf" || format->second == "flax")) {
    fail("{}: was saved by {}, which names and transposes weights its own way; save the PyTorch model",
         path.string(), format->second == "tf" ? "TensorFlow" : "Flax");
  }
  for (const std::string& note : file.notes) checkpoint.notes.push_back(fmt::format("{}: {}", name, note));
  checkpoint.files.push_back({name, file.bytes, hub_cache_sha256(path)});
  return file;
}

bool is_plain_name(std::string_view name) {
  const auto bad = [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  };
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         std::ranges::none_of(name, bad);
}

// tensor -> shard
std::map<std::string, std::string, std::less<>> read_index(const fs::path& path, const Format& format) {
  const Json index = read_json_file(path, kIndexLimits);
  return with_context(path.string(), [&] {
    if (!index.is_object() || !index.contains("weight_map")) fail("has no weight_map");
    const Json& map = index["weight_map"];
    if (!map.is_object() || map.empty()) fail("weight_map: a map from tensors to files was expected");
    std::map<std::string, std::string, std::less<>> shard_of;
    for (const auto& [tensor, value] : map.items()) {
      if (!value.is_string()) fail("weight_map: {}: a file name was expected", quote(tensor));
      const auto& shard = value.get_ref<const std::string&>();
      if (!is_plain_name(shard)) {
        fail("weight_map: {}: {} is not a plain file name", quote(tensor), quote(shard));
      }
      if (!shard.ends_with(format.extension)) {
        fail("weight_map: {}: {} is not a {} file", quote(tensor), quote(shard), format.extension);
      }
      shard_of.emplace(tensor, shard);
    }
    return shard_of;
  });
}

void open_sharded(Checkpoint& checkpoint, const Format& format, const FileNames& names) {
  const fs::path index = checkpoint.directory / format.index;
  refuse_broken_link(index);
  const auto shard_of = read_index(index, format);
  FileNames shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);

  FileNames absent;
  FileNames unknown = shards_in(names, format);
  for (const std::string& shard : shards) {
    if (!names.contains(shard)) absent.insert(shard);
    unknown.erase(shard);
  }
  const std::string where = checkpoint.directory.string();
  if (!absent.empty()) {
    fail("{}: {} of {} shards named by {} are missing: {}; download them too", where, absent.size(),
         shards.size(), format.index, listed(absent));
  }
  if (!unknown.empty()) {
    fail(
        "{}: {} does not know {}; remove what is left of another download, or get the index that belongs to "
        "the shards",
        where, format.index, listed(unknown));
  }
  for (const std::string& shard : shards) {
    for (TensorSourcePtr& tensor : open_weights(checkpoint, format, shard).tensors) {
      const std::string& name = tensor->spec().name;
      const auto stated = shard_of.find(name);
      if (stated == shard_of.end())
        fail("{}/{}: holds {}, which {} does not know", where, shard, name, format.index);
      if (stated->second != shard) {
        fail("{}/{}: holds {}, which {} places in {}", where, shard, name, format.index, stated->second);
      }
      checkpoint.tensors.emplace(name, std::move(tensor));
    }
  }
  FileNames lost;
  for (const auto& [tensor, shard] : shard_of) {
    if (!checkpoint.tensors.contains(tensor)) lost.insert(tensor);
  }
  if (!lost.empty()) {
    fail("{}: {} places {} in {}, which does not hold it; tensors missing in this way ({}): {}", where,
         format.index, quote(*lost.begin()), shard_of.find(*lost.begin())->second, lost.size(), listed(lost));
  }
}

}  // namespace

void refuse_broken_link(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error) || fs::exists(path, error)) return;
  fail("{}: is a link to {}, which does not exist; download the file again", path.string(),
       fs::read_symlink(path, error).string());
}

void open_weight_files(Checkpoint& checkpoint, const FileNames& names) {
  for (const Format& format : kFormats) {
    if (names.contains(format.single)) {
      for (TensorSourcePtr& tensor : open_weights(checkpoint, format, std::string(format.single)).tensors) {
        const std::string& name = tensor->spec().name;
        checkpoint.tensors.emplace(name, std::move(tensor));
      }
      if (names.contains(format.index)) {
        checkpoint.notes.push_back(
            fmt::format("{} and its shards were passed over: {} is there too", format.index, format.single));
      }
      return;
    }
    if (names.contains(format.index)) return open_sharded(checkpoint, format, names);
    if (const FileNames shards = shards_in(names, format); !shards.empty()) {
      fail("{}: holds {} but no {}; download the index too", checkpoint.directory.string(), listed(shards),
           format.index);
    }
  }
  fail_without_weights(checkpoint.directory, names);
}

}  // namespace bantam

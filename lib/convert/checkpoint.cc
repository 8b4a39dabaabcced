#include "convert/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "convert/hub_cache.h"
#include "convert/safetensors.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::string_view kSingle = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";
// Indexes of models with hundreds of experts per layer take some 15 MB.
constexpr JsonLimits kIndexLimits{.max_bytes = 32 << 20, .max_depth = 8};

using Names = std::set<std::string, std::less<>>;

// "a", "b", "c" and 4 more
std::string listed(const Names& names) {
  std::string text;
  std::size_t shown = 0;
  for (const std::string& name : names) {
    if (shown == 10) return text + fmt::format(" and {} more", names.size() - shown);
    if (shown++ > 0) text += ", ";
    text += quote(name);
  }
  return text;
}

Names files_in(const fs::path& directory) {
  Names names;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  if (error) fail_io(directory.string(), "list", error.value());
  return names;
}

// model-00001-of-00003.safetensors, as save_pretrained names shards
bool is_shard_name(std::string_view name) {
  return name.starts_with("model-") && name.ends_with(".safetensors") && name.find("-of-") != name.npos;
}

Names filtered(const Names& names, bool (*keep)(std::string_view)) {
  Names kept;
  for (const std::string& name : names) {
    if (keep(name)) kept.insert(name);
  }
  return kept;
}

// What is there instead of weights that can be read.
[[noreturn]] void fail_without_weights(const fs::path& directory, const Names& names) {
  const std::string where = directory.string();
  if (const Names shards = filtered(names, is_shard_name); !shards.empty()) {
    fail("{}: holds {} but no {}; download the index too", where, listed(shards), kIndex);
  }
  if (names.contains("pytorch_model.bin") || names.contains("pytorch_model.bin.index.json")) {
    fail(
        "{}: holds its weights as pytorch_model.bin only, which cannot be read yet; convert them once with "
        "transformers: AutoModel.from_pretrained(...).save_pretrained(..., safe_serialization=True)",
        where);
  }
  if (names.contains("adapter_model.safetensors")) {
    fail("{}: is a LoRA adapter (adapter_model.safetensors), not a whole checkpoint", where);
  }
  if (names.empty()) fail("{}: is an empty folder; {} or {} was expected", where, kSingle, kIndex);
  fail("{}: holds no weights: {} or {} was expected; it holds {}", where, kSingle, kIndex, listed(names));
}

void refuse_broken_link(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error) || fs::exists(path, error)) return;
  fail("{}: is a link to {}, which does not exist; download the file again", path.string(),
       fs::read_symlink(path, error).string());
}

// Opens one weight file of the folder and records it.
SafetensorsFile open_weights(Checkpoint& checkpoint, const std::string& name) {
  const fs::path path = checkpoint.directory / name;
  refuse_broken_link(path);
  SafetensorsFile file = open_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format != file.metadata.end() && (format->second == "tf" || format->second == "flax")) {
    fail("{}: was saved by {}, which names and transposes weights its own way; save the PyTorch model",
         path.string(), format->second == "tf" ? "TensorFlow" : "Flax");
  }
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
std::map<std::string, std::string, std::less<>> read_index(const fs::path& path) {
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
      if (!shard.ends_with(".safetensors")) {
        fail("weight_map: {}: {} is not a .safetensors file", quote(tensor), quote(shard));
      }
      shard_of.emplace(tensor, shard);
    }
    return shard_of;
  });
}

void open_sharded(Checkpoint& checkpoint, const Names& names) {
  const fs::path index = checkpoint.directory / kIndex;
  refuse_broken_link(index);
  const auto shard_of = read_index(index);
  Names shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);

  Names absent;
  Names unknown = filtered(names, is_shard_name);
  for (const std::string& shard : shards) {
    if (!names.contains(shard)) absent.insert(shard);
    unknown.erase(shard);
  }
  const std::string where = checkpoint.directory.string();
  if (!absent.empty()) {
    fail("{}: {} of {} shards named by {} are missing: {}; download them too", where, absent.size(),
         shards.size(), kIndex, listed(absent));
  }
  if (!unknown.empty()) {
    fail(
        "{}: {} does not know {}; remove what is left of another download, or get the index that belongs to "
        "the "
        "shards",
        where, kIndex, listed(unknown));
  }
  for (const std::string& shard : shards) {
    for (TensorSourcePtr& tensor : open_weights(checkpoint, shard).tensors) {
      const std::string& name = tensor->spec().name;
      const auto stated = shard_of.find(name);
      if (stated == shard_of.end())
        fail("{}/{}: holds {}, which {} does not know", where, shard, name, kIndex);
      if (stated->second != shard) {
        fail("{}/{}: holds {}, which {} places in {}", where, shard, name, kIndex, stated->second);
      }
      checkpoint.tensors.emplace(name, std::move(tensor));
    }
  }
  Names lost;
  for (const auto& [tensor, shard] : shard_of) {
    if (!checkpoint.tensors.contains(tensor)) lost.insert(tensor);
  }
  if (!lost.empty()) {
    fail("{}: {} places {} in {}, which does not hold it; tensors missing in this way ({}): {}", where,
         kIndex, quote(*lost.begin()), shard_of.find(*lost.begin())->second, lost.size(), listed(lost));
  }
}

Config open_config(const fs::path& directory, const Names& names) {
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
  const Names names = files_in(directory);
  Checkpoint checkpoint{directory, std::string(source), open_config(directory, names), {}, {}, {}};
  if (names.contains(kSingle)) {
    for (TensorSourcePtr& tensor : open_weights(checkpoint, std::string(kSingle)).tensors) {
      const std::string& name = tensor->spec().name;
      checkpoint.tensors.emplace(name, std::move(tensor));
    }
    if (names.contains(kIndex)) {
      checkpoint.notes.push_back(
          fmt::format("{} and its shards were passed over: {} is there too", kIndex, kSingle));
    }
  } else if (names.contains(kIndex)) {
    open_sharded(checkpoint, names);
  } else {
    fail_without_weights(directory, names);
  }
  return checkpoint;
}

}  // namespace bantam

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace bantam {

// A model on the Hugging Face hub: "org/name@revision"; ids of the hub's first years have no org ("gpt2").
struct HubId {
  std::string repository;
  std::string revision = "main";
};

// Nothing when `text` cannot be an id. Never holds path parts ("..") or empty parts.
std::optional<HubId> parse_hub_id(std::string_view text);

// Where huggingface_hub keeps downloads, by its own rules: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
// XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub; the first that is set decides.
std::filesystem::path hub_cache_directory();

// The snapshot folder of the model: models--org--name/refs/<revision> names a commit, snapshots/<commit>
// holds its files; a revision may be the commit itself. Errors say where it looked and how to get the model.
std::filesystem::path find_in_hub_cache(const HubId& id);

// The SHA-256 that the cache states for a file by the name of the blob that it links to (hub files kept in
// LFS); else empty. Reads nothing.
std::string hub_cache_sha256(const std::filesystem::path& file);

}  // namespace bantam

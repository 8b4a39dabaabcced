#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/config.h"
#include "convert/head_pruning.h"
#include "graph/tensor_source.h"

namespace bantam {

using TensorMap = std::map<std::string, TensorSourcePtr, std::less<>>;

// A weight file of the checkpoint.
struct SourceFile {
  std::string name;  // plain file name inside the checkpoint folder
  std::int64_t bytes = 0;
  std::string sha256;  // known without reading only where the hub cache's blob is named by it; else empty
};

// A LoRA adapter that was merged into a checkpoint (convert/lora/adapter.h).
struct AdapterInfo {
  std::filesystem::path directory;
  std::string source;             // what the user typed
  std::string base_model;         // what it was trained on, as it says; may be empty
  std::string task_type;          // PEFT's word for its task ("SEQ_CLS"); may be empty
  std::vector<SourceFile> files;  // its configuration and its weights
  std::int64_t changed = 0;       // tensors of the base that it changes
  std::int64_t added = 0;         // tensors that the base does not have
};

// A Hugging Face checkpoint folder, opened: headers are checked, no weight byte is read.
struct Checkpoint {
  std::filesystem::path directory;
  std::string source;  // what the user typed
  Config config;
  TensorMap tensors;               // by name
  std::vector<SourceFile> files;   // by name
  std::vector<std::string> notes;  // what the user should know: files that were passed over
  std::optional<AdapterInfo> adapter = {};
  std::optional<HeadPruning> pruning = {};  // heads that families leave out
};

// The folder that `source` names: a directory, or a hub id ("org/name" or "name", optionally with
// "@revision") that is in the local Hugging Face cache (convert/hub_cache.h). Never touches the network.
// Errors say where it looked.
std::filesystem::path resolve_source(std::string_view source);

// Reads config.json and the headers of model.safetensors or, without that file, of the shards that
// model.safetensors.index.json names, or else of pytorch_model.bin and its shards (transformers' order).
// Index, shards and folder must agree exactly: every tensor in the one shard that the index states, no shard
// missing, none left over.
Checkpoint open_checkpoint(std::string_view source);

}  // namespace bantam

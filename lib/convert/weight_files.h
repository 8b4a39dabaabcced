#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "convert/checkpoint.h"

namespace bantam {

using FileNames = std::set<std::string, std::less<>>;

// Opens the weights of the folder, which holds files of these names, into checkpoint.tensors, .files and
// .notes; the first of model.safetensors, model.safetensors.index.json, pytorch_model.bin,
// pytorch_model.bin.index.json that is there (transformers' order).
void open_weight_files(Checkpoint& checkpoint, const FileNames& names);

// Error for a link to nothing, saying where it points.
void refuse_broken_link(const std::filesystem::path& path);

}  // namespace bantam

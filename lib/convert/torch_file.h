#pragma once

#include <filesystem>

#include "convert/weight_file.h"

namespace bantam {

// Opens a state dict that torch.save wrote (pytorch_model.bin, adapter_model.bin, .pth): a zip archive (since
// torch 1.6) of a pickle and of storages, each a file in it. The pickle is read by rules and nothing of it is
// run (convert/pickle.h). Checks that every storage is in the archive, in its size, and that every tensor
// lies in its storage; views (transposed, sliced, expanded, shared) are read as such. What wraps the state
// dict is taken off where only one thing can be meant: a dictionary under "state_dict", "model_state_dict",
// "model" or "module" in one that holds no tensor itself, and "module." or "_orig_mod." before every name; a
// note says so. The older formats (one pickle after another, tar), big-endian files, TorchScript and
// compressed archives are refused with what to do.
WeightFile open_torch_file(const std::filesystem::path& path);

// Whether the file begins as torch.save's do.
bool looks_like_torch_file(const std::filesystem::path& path);

}  // namespace bantam

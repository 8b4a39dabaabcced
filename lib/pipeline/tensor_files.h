#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "runtime/session.h"

namespace bantam {

// The tensors of a safetensors file, in memory. `inputs` is what a session is fed: a tensor that it does not
// know or that is missing is an error that lists what it reads. Types and shapes are the session's to check.
Tensors read_inputs(const std::filesystem::path& path, std::span<const IoSpec> inputs);

// Writes tensors to an empty file, as safetensors.
void write_tensors(const File& file, const Tensors& tensors);

// For each tensor its name, element type, shape and, of floats, the smallest and largest value and how many
// are not finite.
std::string tensors_table(const Tensors& tensors);
Json tensors_json(const Tensors& tensors);  // [{"name", "dtype", "shape"}]

}  // namespace bantam

#pragma once

#include <string_view>

#include "convert/checkpoint.h"

namespace bantam {

// Puts a LoRA adapter (adapter_config.json with adapter_model.safetensors or .bin, as PEFT saves it) into the
// weights of `checkpoint`, which then is the model that PEFT's merge_and_unload() leaves: tensors that the
// adapter changes are replaced by sources that merge in float32 as they are read, modules_to_save by the
// adapter's own tensors. `source` is a folder or a hub id in the local cache. Reads headers only. Fills
// checkpoint.adapter; may change checkpoint.config where the merged model is of another form: labels of a
// head that only the adapter has, a head of its own where the base's was tied.
//
// Error naming the tensor: one that matches nothing in the base, of a shape or rank that disagrees with the
// base or with adapter_config.json; naming the key: what is not plain LoRA (convert/lora/adapter_config.h).
void merge_adapter(Checkpoint& checkpoint, std::string_view source);

}  // namespace bantam

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

// What an adapter has for one module of the base model; null where it has nothing.
struct AdapterModule {
  TensorSourcePtr a, b, b_bias;              // lora_A [rank, in], lora_B [out, rank] and its bias [out]
  TensorSourcePtr embedding_a, embedding_b;  // [rank, tokens], [dim, rank]
  TensorSourcePtr magnitude;                 // DoRA's, [out]
  TensorSourcePtr base;                      // what is updated, where PEFT saved it too
  TensorSourcePtr tokens;                    // trained rows [count, dim] of an embedding
};

// The tensors of an adapter by what they are for. Names are those of the base model: without
// "base_model.model.".
struct AdapterTensors {
  std::map<std::string, AdapterModule, std::less<>> modules;
  std::map<std::string, TensorSourcePtr, std::less<>> whole;  // tensors that take the place of the base's
};

// Sorts the tensors of adapter_model.safetensors by PEFT's names (peft/utils/save_and_load.py). Error naming
// what has no such name, is of no float type, or lacks its other half.
AdapterTensors sort_adapter_tensors(const std::vector<TensorSourcePtr>& tensors);

}  // namespace bantam

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/architecture.h"
#include "convert/weights.h"

namespace bantam {

// An empty graph for ai.onnx 21 and IR 10, which onnxruntime-web runs on wasm and on WebGPU.
ModelGraph new_model(std::string_view family, Task task);

// Tensors of a head, and the tasks whose graphs read them.
struct HeadTensors {
  std::string_view pattern;
  std::vector<Task> tasks;
};

// Drops what the graph does not read: buffers that every checkpoint of a text encoder may hold, and the heads
// of other tasks, those with a note that names them.
void leave_out_other_heads(ModelGraph& model, Weights& weights, std::span<const HeadTensors> heads);

}  // namespace bantam

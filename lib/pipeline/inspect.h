#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/shape.h"
#include "pipeline/forecast/forecast.h"

namespace bantam {

enum class InspectedKind { kCheckpoint, kSafetensors, kTorch, kOnnx, kBundle };
std::string_view name(InspectedKind kind);

// Texts that are not known are empty throughout; dtypes have numpy's names ("float32").

struct InspectedTensor {
  std::string name;
  std::string role;
  std::string dtype;
  Shape shape;  // as stored
  std::int64_t bytes = 0;
  std::string file;  // empty: inside the graph
};

struct InspectedFile {
  std::string name;
  std::int64_t bytes = 0;
};

struct InspectedValue {
  std::string name;
  std::string dtype;
  bool has_dims = false;
  std::vector<Dim> dims;
};

struct OpCount {
  std::string domain;  // empty: ai.onnx
  std::string type;
  std::int64_t count = 0;
};

struct InspectedGraph {
  std::int64_t ir_version = 0;  // 0: there is no graph
  std::map<std::string, std::int64_t> opsets;
  std::vector<OpCount> ops;  // most frequent first
  std::vector<InspectedValue> inputs;
  std::vector<InspectedValue> outputs;
};

struct InspectedVariant {
  std::string dtype;  // transformers.js' name
  std::string file;
  std::vector<InspectedFile> shards;
  std::int64_t bytes = 0;  // of the graph and its shards
  std::vector<InspectedTensor> tensors;
  InspectedGraph graph;
  Forecast forecast;
};

struct Inspection {
  InspectedKind kind = InspectedKind::kCheckpoint;
  std::string path;  // as it was given
  std::string family, model_type, task;
  bool canonical = false;     // of a bundle: whether its channels were brought into one scaling
  std::string default_dtype;  // of a bundle: what transformers.js loads on wasm
  // Elements of the weights, whatever they are stored as; tied ones count once. Of a checkpoint and a
  // weight file, elements of its floating-point tensors.
  std::int64_t parameters = 0;
  std::vector<InspectedFile> files;
  std::vector<InspectedTensor>
      tensors;           // in the order of their bytes; of a bundle, those of its default dtype
  InspectedGraph graph;  // of a checkpoint, the float32 graph that convert makes of it
  std::vector<InspectedVariant> variants;       // of a bundle
  std::map<std::string, std::string> metadata;  // of a safetensors file
  std::vector<std::string> notes;

  std::int64_t bytes() const;  // of all files
};

// What is in a checkpoint folder or hub id, a .safetensors, .bin (torch.save) or .onnx file, or a bundle's
// folder. Reads no weight. Errors say in one line what is wrong with the path; a bundle must hold all files
// that its bantam.json lists, in their sizes.
Inspection inspect(std::string_view path);

// Tensors that have something in common, largest first.
struct TensorTotal {
  std::string name;
  std::int64_t tensors = 0;
  std::int64_t elements = 0;  // as stored: two packed 4-bit weights in an uint8 are one
  std::int64_t bytes = 0;
};
std::vector<TensorTotal> totals_by_dtype(std::span<const InspectedTensor> tensors);
// Nothing where no role is known.
std::vector<TensorTotal> totals_by_role(std::span<const InspectedTensor> tensors);

// JSON text: what `inspect --json` prints (schemas/inspect.schema.json).
std::string inspection_json(const Inspection& inspection);

}  // namespace bantam

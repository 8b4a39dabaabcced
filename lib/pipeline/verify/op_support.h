#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// The version of onnxruntime-web whose kernels the table lists: sessions of one node were made with it, in
// Node for its two CPU builds and in Chromium for WebGPU with the session option disable_cpu_ep_fallback
// (tests/oracle/op_support.py makes the models, asks again, and prints the table).
inline constexpr std::string_view kOrtWeb = "1.31.0-dev.20260914";

// The newest that it accepts.
inline constexpr std::int64_t kNewestOpset = 26;
inline constexpr std::int64_t kNewestIr = 13;

// Where an operator has a kernel, by the element type that decides: that of the activations, the data that is
// moved, or the scales. Types are words of "f32 f16 i64 i32 u8 i8 bool".
struct OpSupport {
  std::string_view domain, type;
  std::string_view wasm;  // ort-wasm-simd-threaded.wasm: plain onnxruntime-web
  std::string_view
      asyncify;  // ort-wasm-simd-threaded.asyncify.wasm: what transformers.js 4 loads, for its CPU kernels
  std::string_view webgpu;  // the same build on a GPU
};
std::span<const OpSupport> op_support();
const OpSupport* find_op_support(std::string_view domain, std::string_view type);
// Whether `types` holds the word for `dtype`.
bool holds(std::string_view types, DType dtype);

// Whether anybody asked for operators of this type.
bool is_measured(DType dtype);
// Why onnxruntime-web refuses the versions that a graph states; empty where it does not.
std::string too_new(const Graph& graph);

// The element types of all values of an imported graph, by id: as declared, or inferred operator by operator;
// kUndefined where that is not possible. Graphs need not declare what flows inside of them.
std::vector<DType> value_types(const Graph& graph);
// The type of a node's first output by those of its inputs; kUndefined where they are not known.
DType output_type(const Node& node, std::span<const DType> types);
// The type that decides where a node can run.
DType deciding_type(const Node& node, std::span<const DType> types);

}  // namespace bantam

#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/tokenizer.h"
#include "convert/architecture.h"
#include "convert/config.h"
#include "pipeline/inspect.h"
#include "runtime/session.h"

namespace bantam {

// A bundle that is about to be run: what its manifest says, checked against its files, and its config.json.
struct BundleModel {
  std::filesystem::path root;
  std::string name;  // what reports call it
  Inspection contents;
  Config config;
  Task task = Task::kFeatureExtraction;

  // The variant of that name; empty: the one that transformers.js loads on wasm. One that the bundle does not
  // hold is an error that lists those it does.
  const InspectedVariant& variant(std::string_view dtype) const;
  Session open(const InspectedVariant& variant, const SessionOptions& options) const;
};

// Opens the folder of a bundle; anything else is an error that says how to make one.
BundleModel open_bundle(const std::filesystem::path& path);

// The bundle's tokenizer; an error that says what to do where it holds none.
Tokenizer load_tokenizer(const BundleModel& bundle);

// What a graph that reads tokens is fed: input_ids, attention_mask, token_type_ids and position_ids as
// [batch, length] int64, empty caches, num_logits_to_keep 0 (all); those of them that it declares. All
// encodings have one length. An input that text does not give is an error.
Tensors token_inputs(std::span<const IoSpec> inputs, std::span<const Encoding> encodings);

// The cache that a decoder is given before its first token: what the declaration leaves open is the batch or
// nothing, as transformers.js has it.
Tensor empty_cache(const IoSpec& input, std::int64_t batch);

// Row `row` of a tensor [batch, ...], as a batch of one.
Tensor batch_row(const Tensor& tensor, std::int64_t row);

// The elements of a tensor of float32, float16 or bfloat16.
std::vector<float> to_floats(const Tensor& tensor);

// The output of that name; an error where the graph has none.
const Tensor& output(const Tensors& outputs, std::string_view name);

}  // namespace bantam

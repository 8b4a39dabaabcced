#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// Splits every vocabulary table (word embeddings, output layers) of a float32 graph of which rows x width x
// `element_bytes` exceed `limit` into slices of whole rows that do not: WebGPU binds a tensor as one buffer,
// of which it promises 128 MiB. An embedding becomes one Gather per slice, of ids clamped into it, and a
// Where that takes the right one; an output layer (Gemm) one product per slice, concatenated. Slices that
// both read are stored once. The results are those of the whole table, ids that are in none of the rows are
// an error as before (ids below zero, which no tokenizer gives, are not counted from the end).
//
// Slices are weights named "<weight>.0", "<weight>.1", ..., with its role. Weights that anything else reads
// stay whole. `notes` says what was split.
void split_tables(Graph& graph, std::int64_t element_bytes, std::int64_t limit,
                  std::vector<std::string>& notes);

}  // namespace bantam

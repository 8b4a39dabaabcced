#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "graph/graph.h"
#include "shard/layout.h"

namespace bantam {

// The index of MLC's tvmjs (tensor-cache.json) over the external data files of one variant: the same bytes
// that the ONNX file reads. `folder` ("onnx/") precedes file names; md5[i] is the hex digest of shard i.
// Schema: schemas/tensor-cache.schema.json; readers' rules: docs/formats.md.
Json tensor_cache_index(const Graph& graph, const Layout& layout, const std::string& folder,
                        const std::vector<std::string>& md5);

}  // namespace bantam

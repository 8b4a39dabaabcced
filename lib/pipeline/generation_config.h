#pragma once

#include <string>
#include <vector>

#include "convert/config.h"
#include "pipeline/source_files.h"

namespace bantam {

// generation_config.json goes into a bundle as it is; browsers then feed its token ids to the graph, and a
// wrong one shows as noise or as a text that never ends. Errors, naming file and key: no object; an id (or
// list of ids) that is no integer, or beyond the vocabulary of config.json (a bos_token_id there is a note:
// it matters to empty prompts alone); lengths below 1, other numbers that are none. Negative ids, which old
// files have for "none", pass.
void check_generation_config(const Config& config, const SourceFiles& files, std::vector<std::string>& notes);

}  // namespace bantam

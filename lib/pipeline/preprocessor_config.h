#pragma once

#include <string>

#include "pipeline/source_files.h"

namespace bantam {

// preprocessor_config.json, which transformers.js reads, for a checkpoint of transformers 5 that has only
// processor_config.json: the sections feature_extractor and image_processor side by side (the latter wins),
// without "Fast" at the end of image_processor_type, and processor_class. Empty where there is nothing to
// make it from.
std::string make_preprocessor_config(const SourceFiles& files);

}  // namespace bantam

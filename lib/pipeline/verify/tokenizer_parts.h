#pragma once

#include <string>

#include "base/json.h"

namespace bantam {

// Why transformers.js cannot make a tokenizer of tokenizer.json: the first part of a type that it has no
// class for; empty where it can. By
// src/core/{Normalizer,PreTokenizer,PostProcessor,Decoder,TokenizerModel}.ts of
// @huggingface/tokenizers 0.2.0, which transformers.js 4 uses; version 3 has the same classes.
std::string missing_tokenizer_part(const Json& tokenizer);

}  // namespace bantam

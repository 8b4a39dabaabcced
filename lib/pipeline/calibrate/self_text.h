#pragma once

#include <cstdint>

#include "base/progress.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "pipeline/calibrate/texts.h"

namespace bantam {

// What a decoder writes when it is left alone: `windows` texts of `length` tokens, each drawn token by token
// from the model's own distribution (temperature 1), as calibration data that need no data (Z. Liu et al.,
// "LLM-QAT: Data-Free Quantization Aware Training for Large Language Models", arXiv:2305.17888, section 3). A
// text begins with the token that the configuration begins texts with (bos_token_id, else eos_token_id), or
// else with a random one; where the model ends a text, it goes on with the next. The same seed gives the same
// texts, whatever the number of threads. Error for a model that is no decoder.
CalibrationTexts own_texts(const ModelGraph& model, const Config& config, std::int64_t windows,
                           std::int64_t length, std::uint64_t seed, int threads, Progress& progress);

}  // namespace bantam

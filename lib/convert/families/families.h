#pragma once

#include <array>

#include "convert/architecture.h"

namespace bantam {

// Every model family has one file here; architecture_list.cc holds the list.
extern const Architecture kAlbert;
extern const Architecture kBert;
extern const Architecture kDistilBert;
extern const Architecture kElectra;
extern const Architecture kGemma3;
extern const Architecture kGpt2;
extern const Architecture kGptNeo;
extern const Architecture kGptNeoX;
extern const Architecture kLlama;
extern const Architecture kMobileBert;
extern const Architecture kMpnet;
extern const Architecture kPhi;
extern const Architecture kPhi3;
extern const Architecture kQwen2;
extern const Architecture kQwen3;
extern const Architecture kRoberta;

// The heads that checkpoints of text encoders carry.
inline constexpr std::array kEncoderTasks = {Task::kFeatureExtraction, Task::kFillMask,
                                             Task::kTextClassification, Task::kTokenClassification,
                                             Task::kQuestionAnswering};

inline constexpr std::array kDecoderTasks = {Task::kTextGeneration};

}  // namespace bantam

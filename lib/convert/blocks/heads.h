#pragma once

#include <cstdint>
#include <string_view>

#include "convert/architecture.h"
#include "convert/blocks/encoder_config.h"

namespace bantam {

// What stands between encoder and output. `x` holds rows [batch_size * sequence_length, width].

// tanh(dense(first token)), [batch_size, width]
ValueId pool_first_token(const Module& dense, TokenInputs& inputs, ValueId x, std::int64_t width, Role role);
// norm(activation(dense(x))), rows of width `out`
ValueId transform(const Module& dense, const Module& norm_module, ValueId x, std::int64_t in,
                  std::int64_t out, std::string_view activation, const Norm& norm);

// Outputs, under the names that transformers.js reads. `x` holds rows unless said otherwise.

// last_hidden_state [batch_size, sequence_length, width]
void output_hidden_states(const Module& root, TokenInputs& inputs, ValueId x, std::int64_t width);
// logits [batch_size, width]; x is that already
void output_sequence_logits(const Module& root, ValueId x, std::int64_t width);
// logits [batch_size, sequence_length, width]
void output_token_logits(const Module& root, TokenInputs& inputs, ValueId x, std::int64_t width);

// The same after a linear layer to as many labels as config.json has: `classifier` on every token ...
void output_token_classes(const Module& root, TokenInputs& inputs, const Config& config, ValueId x,
                          std::int64_t width);
// ... or on one row per sequence, [batch_size, width].
void output_sequence_classes(const Module& root, const Module& classifier, const Config& config,
                             ValueId pooled, std::int64_t width);
// start_logits and end_logits [batch_size, sequence_length], from `qa_outputs`. Refuses other than two
// labels.
void output_answer_spans(const Module& root, TokenInputs& inputs, const Config& config, ValueId x,
                         std::int64_t width);
// The head of a task that every encoder has in the same form: feature extraction, token classification,
// question answering. Other tasks have none such, and build_model() (convert/architecture.h) lets none of
// them come here.
void output_shared_head(const Module& root, TokenInputs& inputs, const Config& config, Task task, ValueId x,
                        std::int64_t width);

}  // namespace bantam

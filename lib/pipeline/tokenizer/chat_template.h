#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "pipeline/source_files.h"

namespace bantam {

// Text models read their chat template from tokenizer_config.json, processors of multimodal ones from
// chat_template.jinja: whichever the checkpoint has, the bundle gets both. Template files
// (chat_template.jinja and additional_chat_templates/<name>.jinja) win over tokenizer_config.json, as in
// transformers; chat_template.json is the oldest form and counts where nothing else is. Sets chat_template in
// `tokenizer_config`: the text, or [{"name", "template"}, ...] where there are several.
void inline_chat_template(Json& tokenizer_config, const SourceFiles& files, std::vector<std::string>& notes);

// The text for a chat_template.jinja that the checkpoint lacks: the default template of `tokenizer_config`;
// else empty.
std::string lone_chat_template(const Json& tokenizer_config, const SourceFiles& files);

}  // namespace bantam

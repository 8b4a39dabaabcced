#include "calibrate/chat_template.h"

#include "base/error.h"
#include "calibrate/bridge_text.h"

namespace bantam {

ChatTemplate::ChatTemplate(std::string_view source) {
  BantamOwnedText error{};
  BantamTemplate* opened = bantam_template_open(borrow(source), &error);
  if (opened == nullptr) throw_bridge_error(error);
  handle_ = {opened, bantam_template_close};
}

std::string ChatTemplate::render(const ChatInputs& inputs) const {
  const BantamLocalTime now = {inputs.now.tm_year + 1900, inputs.now.tm_mon + 1, inputs.now.tm_mday,
                               inputs.now.tm_hour,        inputs.now.tm_min,     inputs.now.tm_sec,
                               inputs.now.tm_wday,        inputs.now.tm_yday};
  BantamOwnedText error{};
  const BantamOwnedText text =
      bantam_template_render(static_cast<const BantamTemplate*>(handle_.get()), borrow(inputs.messages),
                             borrow(inputs.tools), borrow(inputs.variables), now, &error);
  if (text.data == nullptr) throw_bridge_error(error);
  return take(text);
}

}  // namespace bantam

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "frame/help.h"

namespace bantam {

// A shell that we write completion scripts for; each in a file of its own under frame/shells/.
struct Shell {
  std::string_view name;
  std::string_view help;
  std::string (*script)(std::span<const CommandDoc> commands);
};

std::span<const Shell> shells();

// 'text' as one word of a shell: in single quotes, safe in bash, zsh and fish.
std::string shell_quoted(std::string_view text);
// Everything up to the first full stop: what fits beside a completion.
std::string first_sentence(std::string_view help);

}  // namespace bantam

#include "frame/shells.h"

#include <array>

namespace bantam {

std::string bash_script(std::span<const CommandDoc> commands);
std::string zsh_script(std::span<const CommandDoc> commands);
std::string fish_script(std::span<const CommandDoc> commands);

std::span<const Shell> shells() {
  static constexpr std::array kShells{
      Shell{"bash", "bash 4 and later; needs no other package", bash_script},
      Shell{"zsh", "zsh 5; a function for a folder in $fpath", zsh_script},
      Shell{"fish", "fish 3", fish_script},
  };
  return kShells;
}

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string first_sentence(std::string_view help) {
  const std::size_t stop = help.find(". ");
  if (stop != help.npos) help = help.substr(0, stop);
  if (help.ends_with('.')) help.remove_suffix(1);
  return std::string(help);
}

}  // namespace bantam

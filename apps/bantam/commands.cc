#include <algorithm>
#include <array>

#include "command.h"

namespace bantam {

// The one list of commands, in the order of help and documentation.
extern const Command convert_command;
extern const Command calibrate_command;
extern const Command inspect_command;
extern const Command run_command;
extern const Command bench_command;
extern const Command evaluate_command;
extern const Command compare_command;
extern const Command verify_command;
extern const Command serve_command;
extern const Command completion_command;
extern const Command man_command;

std::span<const Command* const> commands() {
  static constexpr std::array kCommands{&convert_command,    &calibrate_command, &inspect_command,
                                        &run_command,        &bench_command,     &evaluate_command,
                                        &compare_command,    &verify_command,    &serve_command,
                                        &completion_command, &man_command};
  return kCommands;
}

const Command* find_command(std::string_view name) {
  const auto found = std::ranges::find(commands(), name, &Command::name);
  return found == commands().end() ? nullptr : *found;
}

}  // namespace bantam

#include <array>
#include <memory>
#include <string>

#include "command.h"
#include "frame/help.h"
#include "frame/shells.h"

namespace bantam {
namespace {

constexpr std::array kExamples{
    UsageExample{"bantam completion bash > ~/.local/share/bash-completion/completions/bantam",
                 "Complete bantam in every new bash."},
    UsageExample{"bantam completion fish | source", "Try it in this fish only."},
    UsageExample{"bantam completion zsh > ~/.zfunc/_bantam", "For zsh, where ~/.zfunc is in $fpath."},
};

Action declare(Options& options) {
  const auto shell = std::make_shared<std::string>();
  std::vector<Choice> choices;
  for (const Shell& known : shells()) choices.push_back({std::string(known.name), std::string(known.help)});
  options.positional("SHELL", *shell, "The shell to write the script for.", {.choices = choices});
  return [shell](const Console& console) {
    for (const Shell& known : shells()) {
      if (known.name == *shell) console.print(known.script(document_commands()));
    }
    return ExitCode::kDone;
  };
}

}  // namespace

extern const Command completion_command;
constinit const Command completion_command{
    .name = "completion",
    .summary = "print the script that completes bantam's command line in a shell",
    .description =
        "Prints a script that teaches a shell to complete bantam's commands, options, file names and fixed words "
        "such as dtypes, also inside comma lists (--dtype fp32,q<Tab>). A packaged bantam has the scripts "
        "installed already; this command is for those who unpacked the archive.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam

#include "base/error.h"
#include "frame/shells.h"

namespace bantam {

std::string zsh_script(std::span<const CommandDoc> commands);

namespace {

// Text inside an _arguments or _describe specification, where brackets and colons have a meaning.
std::string specified(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// The ":message:action" of a value.
std::string value_of(const OptionDoc& doc) {
  std::string action;
  switch (doc.completes) {
    case Completes::kNothing:
      action = "()";
      break;  // a blank action would turn every match into a list
    case Completes::kFiles:
      action = "_files";
      break;
    case Completes::kDirectories:
      action = "_files -/";
      break;
    case Completes::kChoices:
      for (const Choice& choice : doc.choices) action += (action.empty() ? "" : " ") + choice.name;
      action = doc.list ? fmt::format("_values -s , word {}", action) : fmt::format("({})", action);
      break;
  }
  return fmt::format(":{}:{}", specified(doc.value), action);
}

std::string argument_of(const OptionDoc& doc) {
  if (doc.positional()) {
    const std::string_view kind = doc.many ? "*" : doc.required ? "" : ":";
    return shell_quoted(fmt::format("{}{}", kind, value_of(doc)));
  }
  const std::string help = fmt::format("[{}]", specified(first_sentence(doc.help)));
  const std::string value = doc.value.empty() ? "" : value_of(doc);
  if (doc.short_name.empty()) return shell_quoted(doc.long_name + (value.empty() ? "" : "=") + help + value);
  // (-o --output){-o,--output=}'[help]:DIR:...': either spelling, once.
  return fmt::format("{}{{{},{}{}}}{}", shell_quoted(fmt::format("({} {})", doc.short_name, doc.long_name)),
                     doc.short_name, doc.long_name, value.empty() ? "" : "=", shell_quoted(help + value));
}

}  // namespace

std::string zsh_script(std::span<const CommandDoc> commands) {
  std::string out =
      "#compdef bantam\n# zsh completion for bantam, written by `bantam completion zsh`\n"
      "_bantam() {\n  local context state state_descr line\n  typeset -A opt_args\n  local -a commands\n  commands=(\n";
  for (const CommandDoc& doc : commands) {
    out += fmt::format(
        "    {}\n", shell_quoted(fmt::format("{}:{}", doc.command->name, specified(doc.command->summary))));
  }
  out +=
      "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n"
      "    _arguments '--help[Print the list of commands]' '--version[Print the version]'\n    return\n  fi\n"
      "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n";
  for (const CommandDoc& doc : commands) {
    out += fmt::format("    {})\n      _arguments -s", doc.command->name);
    for (const OptionDoc& option : doc.options) out += " \\\n        " + argument_of(option);
    out += "\n      ;;\n";
  }
  return out +
         "  esac\n}\n"
         "# Autoloaded from $fpath this file is the function; sourced, it registers itself.\n"
         "if [ \"$funcstack[1]\" = _bantam ]; then _bantam \"$@\"; else compdef _bantam bantam; fi\n";
}

}  // namespace bantam

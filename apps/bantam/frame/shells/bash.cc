#include "base/error.h"
#include "frame/shells.h"

namespace bantam {

std::string bash_script(std::span<const CommandDoc> commands);

namespace {

// Shared by every command. Bash splits words at '=' (COMP_WORDBREAKS), so "--dtype=q" arrives as three words.
constexpr std::string_view kHead = R"(# bash completion for bantam, written by `bantam completion bash`
_bantam_words() { COMPREPLY+=($(compgen -W "$1" -- "$cur")); }
_bantam_list() {
  local done= last=$cur word
  if [[ $cur == *,* ]]; then done=${cur%,*}, last=${cur##*,}; fi
  for word in $(compgen -W "$1" -- "$last"); do COMPREPLY+=("$done$word"); done
  compopt -o nospace 2>/dev/null
}
_bantam_paths() {
  local IFS=$'\n'
  COMPREPLY+=($(compgen "$1" -- "$cur"))
  compopt -o filenames 2>/dev/null
}
_bantam() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i
  COMPREPLY=()
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  if ((COMP_CWORD > 1)); then command=${COMP_WORDS[1]}; fi
)";

std::string completer(const OptionDoc& doc) {
  std::string words;
  for (const Choice& choice : doc.choices) words += (words.empty() ? "" : " ") + choice.name;
  switch (doc.completes) {
    case Completes::kNothing:
      return ":";
    case Completes::kFiles:
      return "_bantam_paths -f";
    case Completes::kDirectories:
      return "_bantam_paths -d";
    case Completes::kChoices:
      return fmt::format("{} {}", doc.list ? "_bantam_list" : "_bantam_words", shell_quoted(words));
  }
  return ":";
}

std::string command_case(const CommandDoc& command) {
  std::string names, values, positional;
  for (const OptionDoc& doc : command.options) {
    if (doc.positional()) {
      if (doc.completes != Completes::kNothing) positional += "        " + completer(doc) + "\n";
      continue;
    }
    names += (names.empty() ? "" : " ") + doc.long_name;
    if (doc.value.empty()) continue;
    const std::string pattern = doc.short_name.empty() ? doc.long_name : doc.short_name + "|" + doc.long_name;
    values += fmt::format("        {}) {}; return ;;\n", pattern, completer(doc));
  }
  std::string out = fmt::format("    {})\n", command.command->name);
  if (!values.empty()) out += "      case $prev in\n" + values + "      esac\n";
  out += fmt::format("      if [[ $cur == -* ]]; then _bantam_words {}\n", shell_quoted(names));
  if (!positional.empty()) out += "      else\n" + positional;
  return out + "      fi ;;\n";
}

}  // namespace

std::string bash_script(std::span<const CommandDoc> commands) {
  std::string names = "--help --version";
  for (const CommandDoc& doc : commands) names += fmt::format(" {}", doc.command->name);
  std::string out(kHead);
  out += fmt::format("  case $command in\n    '') _bantam_words {} ;;\n", shell_quoted(names));
  for (const CommandDoc& doc : commands) out += command_case(doc);
  return out + "  esac\n}\ncomplete -F _bantam bantam\n";
}

}  // namespace bantam

#include "base/error.h"
#include "frame/shells.h"

namespace bantam {

std::string fish_script(std::span<const CommandDoc> commands);

namespace {

// fish writes a single quote inside single quotes as \' and a backslash as \\.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// "q8\twhen to use it" lines, as fish reads them from a command substitution.
std::string choice_words(const OptionDoc& doc) {
  std::string words;
  for (const Choice& choice : doc.choices) {
    words += fmt::format("{}\\t{}\\n", choice.name, choice.help.empty() ? "" : first_sentence(choice.help));
  }
  const std::string source = fmt::format("(printf {})", fish_quoted(words));
  // fish escapes inside '...' are only \' and \\; printf itself turns \t and \n into what they stand for.
  return doc.list ? fmt::format("(__fish_append , {})", source) : source;
}

std::string value_flags(const OptionDoc& doc) {
  switch (doc.completes) {
    case Completes::kNothing:
      return " -x";
    case Completes::kFiles:
      return " -r -F";
    case Completes::kDirectories:
      return " -x -a '(__fish_complete_directories)'";
    case Completes::kChoices:
      return " -x -a " + fish_quoted(choice_words(doc));
  }
  return "";
}

}  // namespace

std::string fish_script(std::span<const CommandDoc> commands) {
  std::string out =
      "# fish completion for bantam, written by `bantam completion fish`\n"
      "complete -c bantam -f\n"
      "complete -c bantam -n __fish_use_subcommand -l help -d 'Print the list of commands'\n"
      "complete -c bantam -n __fish_use_subcommand -l version -d 'Print the version'\n";
  for (const CommandDoc& doc : commands) {
    const std::string name(doc.command->name);
    out += fmt::format("complete -c bantam -n __fish_use_subcommand -a {} -d {}\n", name,
                       fish_quoted(doc.command->summary));
    const std::string within =
        fmt::format("complete -c bantam -n {}", fish_quoted("__fish_seen_subcommand_from " + name));
    for (const OptionDoc& option : doc.options) {
      if (option.positional()) {
        if (option.completes != Completes::kNothing) out += within + value_flags(option) + "\n";
        continue;
      }
      out += within;
      if (!option.short_name.empty()) out += fmt::format(" -s {}", option.short_name.substr(1));
      out +=
          fmt::format(" -l {} -d {}", option.long_name.substr(2), fish_quoted(first_sentence(option.help)));
      out += option.value.empty() ? "\n" : value_flags(option) + "\n";
    }
  }
  return out;
}

}  // namespace bantam

#include "frame/help.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/error.h"
#include "base/table.h"

namespace bantam {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kHelpColumn = 26;

std::string indented(std::string_view text, std::size_t indent) {
  std::string out;
  for (const std::string& line : wrap(text, kWidth - indent)) {
    out += line.empty() ? "\n" : std::string(indent, ' ') + line + "\n";
  }
  return out;
}

// "  name   text", with the text wrapped in its column; a long name takes a line of its own.
std::string entry(std::string_view name, std::string_view text, std::size_t indent, std::size_t column) {
  std::string out = std::string(indent, ' ') + std::string(name);
  const std::size_t used = display_width(out);
  const std::string body = indented(text, column);
  if (text.empty()) return out + "\n";
  if (used + 2 > column) return out + "\n" + body;
  return out + body.substr(used);
}

std::string option_entry(const OptionDoc& doc) {
  // Options without a short name are aligned with those that have one.
  const bool only_long = !doc.positional() && doc.short_name.empty();
  std::string out = entry((only_long ? "    " : "") + spelled(doc), help_of(doc), 2, kHelpColumn);
  for (const Choice& choice : doc.choices) {
    if (!choice.help.empty()) out += entry(choice.name, choice.help, kHelpColumn + 2, kHelpColumn + 12);
  }
  return out;
}

}  // namespace

Action declare(const Command& command, Options& options, CommonFlags& common) {
  options.group("Options");
  Action action = command.declare(options);
  options.group("Common options");
  options.add("-q,--quiet", common.quiet, "Say nothing on stderr but errors.");
  options.add("-v,--verbose", common.verbose, "Log each step with its time on stderr.");
  options.add("-h,--help", common.help, "Print this help.");
  return action;
}

std::vector<CommandDoc> document_commands() {
  std::vector<CommandDoc> documented;
  for (const Command* command : commands()) {
    Options options;
    CommonFlags common;
    declare(*command, options, common);
    documented.push_back({command, {options.docs().begin(), options.docs().end()}});
  }
  return documented;
}

std::string spelled(const OptionDoc& doc) {
  if (doc.positional()) return doc.value + (doc.many ? "..." : "");
  std::string out = doc.short_name.empty() ? doc.long_name : doc.short_name + ", " + doc.long_name;
  if (!doc.value.empty()) out += " " + doc.value;
  return out;
}

std::string usage_line(const Command& command, std::span<const OptionDoc> docs) {
  std::string line = fmt::format("bantam {}", command.name);
  for (const OptionDoc& doc : docs) {
    if (!doc.positional()) continue;
    line += doc.required ? fmt::format(" {}", spelled(doc)) : fmt::format(" [{}]", spelled(doc));
  }
  for (const OptionDoc& doc : docs) {
    if (doc.positional() || !doc.required) continue;
    line += fmt::format(" {} {}", doc.short_name.empty() ? doc.long_name : doc.short_name, doc.value);
  }
  return line + " [OPTIONS]";
}

std::string help_of(const OptionDoc& doc) {
  std::string names;
  for (const Choice& choice : doc.choices) {
    if (choice.help.empty()) names += (names.empty() ? "" : ", ") + choice.name;
  }
  return names.empty() ? doc.help
                       : fmt::format("{} {}: {}.", doc.help, doc.list ? "Any of" : "One of", names);
}

std::vector<OptionGroup> grouped(std::span<const OptionDoc> docs) {
  std::vector<OptionGroup> groups;
  const auto put = [&](const std::string& title, const OptionDoc& doc) {
    auto group = std::ranges::find(groups, title, &OptionGroup::title);
    if (group == groups.end()) group = groups.insert(groups.end(), {title, {}});
    group->docs.push_back(&doc);
  };
  for (const OptionDoc& doc : docs) {
    if (doc.positional()) put("Arguments", doc);
  }
  for (const OptionDoc& doc : docs) {
    if (!doc.positional()) put(doc.group, doc);
  }
  return groups;
}

std::string overview_text() {
  std::string out =
      "Bantam turns model checkpoints into small bundles that run in a web page.\n\n"
      "Usage: bantam COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n";
  for (const Command* command : commands()) out += entry(command->name, command->summary, 2, 16);
  out +=
      "\nOptions:\n"
      "  -h, --help    Print this help; 'bantam COMMAND --help' explains one command.\n"
      "  -V, --version Print the version.\n"
      "\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 a quality gate was missed.\n";
  return out;
}

std::string help_text(const Command& command, std::span<const OptionDoc> docs) {
  std::string out = fmt::format("bantam {} - {}\n\nUsage: {}\n\n{}", command.name, command.summary,
                                usage_line(command, docs), indented(command.description, 0));
  for (const OptionGroup& group : grouped(docs)) {
    out += fmt::format("\n{}:\n", group.title);
    for (const OptionDoc* doc : group.docs) out += option_entry(*doc);
  }
  out += "\nExamples:\n";
  for (const UsageExample& example : command.examples) {
    out += fmt::format("  # {}\n  {}\n", example.what, example.command);
  }
  return out;
}

}  // namespace bantam

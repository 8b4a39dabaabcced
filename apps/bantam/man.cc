#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "command.h"
#include "frame/roff.h"

namespace bantam {
namespace {

struct Arguments {
  std::optional<std::string> page;
  std::optional<std::filesystem::path> directory;
};

void write_all(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);  // parents too: ~/.local/share may lack man/man1
  for (const ManualPage& page : manual_pages()) {
    const std::filesystem::path path = directory / (page.name + ".1");
    std::filesystem::remove(path);
    write_text_file(path, page.roff);
  }
}

ExitCode run(const Arguments& arguments, const Console& console) {
  if (arguments.directory) {
    if (arguments.page) fail_usage("man: --output writes every page; leave COMMAND out");
    write_all(*arguments.directory);
    return ExitCode::kDone;
  }
  const std::string wanted = arguments.page ? "bantam-" + *arguments.page : "bantam";
  for (const ManualPage& page : manual_pages()) {
    if (page.name == wanted) console.print(page.roff);
  }
  return ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam man convert | man -l -", "Read the manual page of one command."},
    UsageExample{"bantam man -o ~/.local/share/man/man1", "Put all pages where `man bantam` finds them."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  std::vector<Choice> names;
  for (const Command* command : commands()) names.push_back({std::string(command->name), ""});
  options.positional("COMMAND", arguments->page,
                     "The command whose page is wanted; without it, the overview.", {.choices = names});
  options.add("-o,--output DIR", arguments->directory, "Write every page into this folder instead.",
              {.completes = Completes::kDirectories});
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command man_command;
constinit const Command man_command{
    .name = "man",
    .summary = "print a manual page",
    .description =
        "Prints the manual page of bantam, or of one of its commands, in the roff language that man(1) reads. The "
        "pages hold what --help says: both are written from the same declarations, so they cannot disagree. "
        "A packaged bantam has them installed already; this command is for those who unpacked the archive.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam

#include "frame/command_line.h"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"
#include "base/table.h"
#include "command.h"
#include "frame/help.h"
#include "frame/signals.h"
#include "frame/terminal_progress.h"

namespace bantam {
namespace {

void print_error(std::string_view message) {
  const std::string line = fmt::format("bantam: {}\n", printable(message));
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void write_stdout(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// Help wins over everything else on the line, except after "--".
bool asks_for_help(std::span<const std::string> arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return false;
    if (argument == "--help" || argument == "-h") return true;
  }
  return false;
}

[[noreturn]] void refuse_command(std::string_view typed) {
  if (typed.starts_with('-')) {
    fail_usage("unknown option '{}' before the command; options follow it: bantam COMMAND {}", typed, typed);
  }
  std::vector<std::string_view> names;
  for (const Command* command : commands()) names.push_back(command->name);
  const std::string_view near = nearest(typed, names);
  if (near.empty()) fail_usage("unknown command '{}'; 'bantam --help' lists them", typed);
  fail_usage("unknown command '{}'; did you mean 'bantam {}'?", typed, near);
}

ExitCode run_command(const Command& command, std::span<const std::string> arguments) {
  Options options;
  CommonFlags common;
  const Action action = declare(command, options, common);
  if (asks_for_help(arguments)) {
    write_stdout(help_text(command, options.docs()));
    return ExitCode::kDone;
  }
  try {
    options.parse(arguments);
  } catch (Error& error) {
    // "...; did you mean q8? See ..."
    const std::string_view see = error.message().ends_with('?') ? " See" : "; see";
    throw Error(error.code(),
                fmt::format("{}: {}{} 'bantam {} --help'", command.name, error.message(), see, command.name));
  }
  const auto drawn = make_terminal_progress(common.verbose);
  return action(Console{common.quiet ? silent_progress() : *drawn});
}

ExitCode dispatch(std::span<const std::string> arguments) {
  if (arguments.empty()) {
    const std::string help = overview_text();
    std::fwrite(help.data(), 1, help.size(), stderr);
    return ExitCode::kUsage;
  }
  const std::string& first = arguments[0];
  if (first == "--version" || first == "-V") {
    write_stdout("bantam " BANTAM_VERSION "\n");
  } else if (first == "--help" || first == "-h") {
    write_stdout(overview_text());
  } else if (const Command* command = find_command(first)) {
    return run_command(*command, arguments.subspan(1));
  } else {
    refuse_command(first);
  }
  return ExitCode::kDone;
}

int exit_code_of(const Error& error) {
  if (error.code() == ErrorCode::kCancelled && cancelling_signal() != 0) return 128 + cancelling_signal();
  return static_cast<int>(error.code() == ErrorCode::kUsage ? ExitCode::kUsage : ExitCode::kFailed);
}

}  // namespace

void Console::print(std::string_view text) const {
  write_stdout(text);
}

bool Console::stream(std::string_view text) const {
  write_stdout(text);
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

int run_command_line(std::span<char* const> arguments) {
  try {
    const ExitCode code = dispatch(std::vector<std::string>(arguments.begin(), arguments.end()));
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) fail_io("standard output", "write", errno);
    return static_cast<int>(code);
  } catch (const Error& error) {
    print_error(error.message());
    return exit_code_of(error);
  } catch (const std::filesystem::filesystem_error& error) {
    print_error(fmt::format("{}: {}", error.path1().string(), error.code().message()));
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(fmt::format("internal error: {}. Please report this.", error.what()));
  }
  return static_cast<int>(ExitCode::kFailed);
}

}  // namespace bantam

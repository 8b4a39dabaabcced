#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/progress.h"
#include "frame/options.h"

namespace bantam {

enum class ExitCode : std::uint8_t {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,       // the command line cannot be meant
  kGateMissed = 3,  // the work is done, and a limit that the user set was missed
};

// What a running command has around it. stdout is for the answer, stderr for everything else.
struct Console {
  Progress& progress;  // draws on stderr; silent under --quiet

  // Writes to stdout. A reader that went away or a full disk is found when the command ends.
  void print(std::string_view text) const;
  // The same at once, for text that comes bit by bit; false when nobody reads it any more.
  bool stream(std::string_view text) const;
};

struct UsageExample {
  std::string_view command;  // "bantam inspect model.safetensors"
  std::string_view what;     // "Show what is in a file."
};

// Runs the command after its options were parsed. Throws Error to fail.
using Action = std::function<ExitCode(const Console&)>;

// A subcommand: a value in the list of commands.cc. Its file declares the options, does the work through lib/
// and prints; it needs no header of CLI11.
struct Command {
  std::string_view name;
  std::string_view summary;      // one line, no full stop: for `bantam --help`
  std::string_view description;  // paragraphs that teach: what goes in, what comes out, what to do with it
  std::span<const UsageExample> examples;  // two at least
  // Declares the options. The action that is returned owns their targets.
  Action (*declare)(Options& options);
};

std::span<const Command* const> commands();
// nullptr when there is none of that name.
const Command* find_command(std::string_view name);

}  // namespace bantam

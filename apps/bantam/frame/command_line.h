#pragma once

#include <span>
#include <string>

namespace bantam {

// Runs `bantam <arguments>`: finds the command, parses its options, runs it, turns what it throws into one
// line "bantam: <message>" on stderr. Returns the exit code: 0 done, 1 failed, 2 usage, 3 gate missed, 128 +
// n when signal n interrupted it.
int run_command_line(std::span<char* const> arguments);

}  // namespace bantam

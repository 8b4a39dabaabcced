#pragma once

#include <span>
#include <string>
#include <vector>

#include "command.h"

namespace bantam {

// The options that every command has.
struct CommonFlags {
  bool help = false;
  bool quiet = false;
  bool verbose = false;
};

// Declares the command's own options, then the common ones.
Action declare(const Command& command, Options& options, CommonFlags& common);

// Every command with its options, in the order of commands(): what manual pages and completion are made of.
struct CommandDoc {
  const Command* command;
  std::vector<OptionDoc> options;
};
std::vector<CommandDoc> document_commands();

// `bantam --help`: what the tool is for and its commands.
std::string overview_text();

// `bantam COMMAND --help`.
std::string help_text(const Command& command, std::span<const OptionDoc> docs);

// "bantam convert [OPTIONS] -o DIR SOURCE": required options are spelled out. Used by help and manual page.
std::string usage_line(const Command& command, std::span<const OptionDoc> docs);

// "-o, --output DIR"
std::string spelled(const OptionDoc& doc);

// The help of an option, ending with the words it takes where these have no help of their own.
std::string help_of(const OptionDoc& doc);

// The groups in order of first appearance; positional arguments come first under "Arguments".
struct OptionGroup {
  std::string title;
  std::vector<const OptionDoc*> docs;
};
std::vector<OptionGroup> grouped(std::span<const OptionDoc> docs);

}  // namespace bantam

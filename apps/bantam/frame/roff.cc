#include "frame/roff.h"

#include <string_view>

#include "base/error.h"
#include "command.h"
#include "frame/help.h"

namespace bantam {
namespace {

// Text that roff prints as it stands: no escapes, no requests, hyphens that can be copied as hyphens.
std::string literal(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\n') {
      if (!line_start) out += "\n.PP\n";  // an empty line ends a paragraph, once
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out;
  for (const char c : text) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

// No date: a page is the same whenever it is built.
std::string header(std::string_view name) {
  return fmt::format(".TH {} 1 \"\" \"bantam {}\" \"Bantam manual\"\n.nh\n.ad l\n", upper(literal(name)),
                     BANTAM_VERSION);
}

std::string option_entry(const OptionDoc& doc) {
  std::string out = fmt::format(".TP\n\\fB{}\\fR\n{}\n", literal(spelled(doc)), literal(help_of(doc)));
  for (const Choice& choice : doc.choices) {
    if (choice.help.empty()) continue;
    out += fmt::format(".RS\n.TP\n\\fB{}\\fR\n{}\n.RE\n", literal(choice.name), literal(choice.help));
  }
  return out;
}

constexpr std::string_view kExitStatus = R"(.SH EXIT STATUS
.TP
0
Done.
.TP
1
Failed; one line on standard error says why.
.TP
2
The command line cannot be meant.
.TP
3
Done, and a quality gate was missed.
.TP
130, 143
Interrupted by SIGINT or SIGTERM; nothing is left half\-written.
)";

ManualPage command_page(const CommandDoc& doc) {
  const Command& command = *doc.command;
  const std::string name = fmt::format("bantam-{}", command.name);
  std::string roff = header(name);
  roff += fmt::format(".SH NAME\n{} \\- {}\n", literal(name), literal(command.summary));
  roff += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR\n", literal(usage_line(command, doc.options)));
  roff += fmt::format(".SH DESCRIPTION\n{}\n", literal(command.description));
  for (const OptionGroup& group : grouped(doc.options)) {
    roff += fmt::format(".SH {}\n", upper(literal(group.title)));
    for (const OptionDoc* option : group.docs) roff += option_entry(*option);
  }
  roff += ".SH EXAMPLES\n";
  for (const UsageExample& example : command.examples) {
    roff +=
        fmt::format("{}\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", literal(example.what), literal(example.command));
    if (&example != &command.examples.back()) roff += ".PP\n";
  }
  roff += kExitStatus;
  roff += ".SH SEE ALSO\n.BR bantam (1)\n";
  return {name, roff};
}

ManualPage overview_page(const std::vector<CommandDoc>& docs) {
  std::string roff = header("bantam");
  roff +=
      ".SH NAME\nbantam \\- turn model checkpoints into small bundles that run in a web page\n"
      ".SH SYNOPSIS\n\\fBbantam\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n"
      ".SH DESCRIPTION\nEach command has a page of its own and explains itself with \\fB\\-\\-help\\fR. "
      "Standard output carries the answer, standard error everything else.\n"
      ".SH COMMANDS\n";
  for (const CommandDoc& doc : docs) {
    roff += fmt::format(".TP\n.BR bantam\\-{} (1)\n{}\n", literal(doc.command->name),
                        literal(doc.command->summary));
  }
  roff +=
      ".SH OPTIONS\n.TP\n\\fB\\-h, \\-\\-help\\fR\nPrint the list of commands.\n"
      ".TP\n\\fB\\-V, \\-\\-version\\fR\nPrint the version.\n";
  return {"bantam", roff + std::string(kExitStatus)};
}

}  // namespace

std::vector<ManualPage> manual_pages() {
  const std::vector<CommandDoc> docs = document_commands();
  std::vector<ManualPage> pages{overview_page(docs)};
  for (const CommandDoc& doc : docs) pages.push_back(command_page(doc));
  return pages;
}

}  // namespace bantam

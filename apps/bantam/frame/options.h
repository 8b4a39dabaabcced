#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// A size on the command line: "32MiB" (base/units.h).
struct ByteSize {
  std::int64_t bytes = 0;
};

// What an option that may be given again and again was given, each value as it is.
struct Repeated {
  std::vector<std::string> values;
};

// One of the words that an option takes, and when to use it (shown by --help; may be empty).
struct Choice {
  std::string name;
  std::string help;
};

// What the shell offers when the user presses Tab after the option.
enum class Completes : std::uint8_t { kNothing, kFiles, kDirectories, kChoices };

// What help, manual page and completion need to know about an option. They have no other source.
struct OptionDoc {
  std::string long_name = {};   // "--output"; empty for a positional argument
  std::string short_name = {};  // "-o" or empty
  std::string value = {};       // "DIR"; empty for a flag. A positional's name
  std::string help = {};
  std::string group = {};
  Completes completes = Completes::kNothing;
  std::vector<Choice> choices = {};
  bool required = false;
  bool list = false;  // takes several choices, separated by commas
  bool many = false;  // a positional that takes one or more

  bool positional() const { return long_name.empty(); }
};

// What may be said about an option beside its name, target and help.
struct Traits {
  bool required = false;
  Completes completes = Completes::kNothing;  // paths complete files without being told
  std::vector<Choice> choices = {};           // anything else is refused; completed and listed in the help
  std::int64_t min = INT64_MIN;               // of an integer
  std::int64_t max = INT64_MAX;
};

// The command line of one command, declared once: what is parsed is what is documented and completed.
// Targets must outlive parse() and keep their value where the option is not given.
//
//   options.group("Output");
//   options.add("-o,--output DIR", output, "Where the bundle goes.", {.required = true});
//   options.positional("SOURCE", source, "A checkpoint folder.");
class Options {
 public:
  Options();
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  // Title of the options that follow in help and manual page.
  void group(std::string title);

  // `spec`: "-s,--long VALUE" or "--long VALUE"; without VALUE for a flag (bool). Which forms an option takes
  // follows from its target: std::vector<std::string> is one argument split at commas, empty words refused.
  void add(std::string_view spec, bool& target, std::string help);
  void add(std::string_view spec, std::string& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::optional<std::string>& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::vector<std::string>& target, std::string help, Traits traits = {});
  void add(std::string_view spec, Repeated& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::filesystem::path& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::optional<std::filesystem::path>& target, std::string help,
           Traits traits = {});
  void add(std::string_view spec, std::int64_t& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::optional<std::int64_t>& target, std::string help, Traits traits = {});
  void add(std::string_view spec, int& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::optional<int>& target, std::string help, Traits traits = {});
  void add(std::string_view spec, double& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::optional<double>& target, std::string help, Traits traits = {});
  void add(std::string_view spec, ByteSize& target, std::string help, Traits traits = {});
  void add(std::string_view spec, std::optional<ByteSize>& target, std::string help, Traits traits = {});

  // Positional arguments, in the order of declaration; required unless the target is optional. The vector
  // takes all that are left, at least one when traits.required.
  void positional(std::string_view name, std::string& target, std::string help, Traits traits = {});
  void positional(std::string_view name, std::filesystem::path& target, std::string help, Traits traits = {});
  void positional(std::string_view name, std::optional<std::string>& target, std::string help,
                  Traits traits = {});
  void positional(std::string_view name, std::vector<std::string>& target, std::string help,
                  Traits traits = {});

  std::span<const OptionDoc> docs() const;

  // Fills the targets. Throws Error{kUsage} naming the option: unknown (with the nearest known one), missing,
  // given twice, of a wrong kind, not among the choices.
  void parse(std::span<const std::string> arguments);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam

#include "question_flags.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/answer/text_model.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;

std::string read_standard_input() {
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    text.append(buffer.data(), got);
    if (text.size() > kMaxTextBytes) fail("standard input: more than {} bytes", kMaxTextBytes);
  }
  if (std::ferror(stdin) != 0) fail_io("standard input", "read", errno);
  return text;
}

// Each line is a text, empty ones too: answers then follow the lines of the file.
std::vector<Question> lines_of(const std::filesystem::path& path) {
  const bool standard = path == "-";
  const std::string source = standard ? "standard input" : path.string();
  const std::string text = standard ? read_standard_input() : read_text_file(path, kMaxTextBytes);
  std::vector<Question> questions;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    questions.push_back({std::string(line), {}, fmt::format("{}:{}", source, questions.size() + 1)});
  }
  if (questions.empty()) fail("{}: is empty; one text per line was expected", source);
  return questions;
}

// "--question TEXT and --context TEXT"
std::string wanted(const TaskInputs& inputs) {
  if (inputs.pair.empty()) return fmt::format("{} TEXT", inputs.text);
  if (inputs.pair_required) return fmt::format("{} TEXT and {} TEXT", inputs.text, inputs.pair);
  return fmt::format("{} TEXT (and {} TEXT for a second one)", inputs.text, inputs.pair);
}

const Repeated& values_of(const QuestionFlags& flags, std::string_view option) {
  if (option == "--text") return flags.texts;
  if (option == "--pair") return flags.pairs;
  if (option == "--question") return flags.questions;
  BANTAM_ASSERT(option == "--context");
  return flags.contexts;
}

}  // namespace

void declare_question_flags(Options& options, QuestionFlags& flags) {
  options.group("What to ask");
  options.add("--text TEXT", flags.texts, "A text; give the option again for more of them.");
  options.add("--pair TEXT", flags.pairs,
              "The second text of a classifier of pairs: one for all texts, or one for each.");
  options.add("--question TEXT", flags.questions,
              "A question, to a bundle for question answering; may be given again.");
  options.add("--context TEXT", flags.contexts,
              "Where the answer is looked for: one for all questions, or one for each.");
  options.add("--text-file FILE", flags.file, "A text (or question) on each line; - reads standard input.");
}

std::vector<Question> questions_of(const QuestionFlags& flags, Task task) {
  const TaskInputs& inputs = task_inputs(task);
  for (const std::string_view option : {"--text", "--pair", "--question", "--context"}) {
    if (option == inputs.text || option == inputs.pair || values_of(flags, option).values.empty()) continue;
    fail_usage("run: {}: a bundle for {} takes {}", option, name(task), wanted(inputs));
  }
  const std::vector<std::string>& texts = values_of(flags, inputs.text).values;
  if (flags.file && !texts.empty()) fail_usage("run: give {} or --text-file, not both", inputs.text);
  std::vector<Question> questions;
  if (flags.file) questions = lines_of(*flags.file);
  for (const std::string& text : texts) {
    const bool alone = texts.size() == 1;
    questions.push_back(
        {text,
         {},
         alone ? std::string(inputs.text) : fmt::format("{} no. {}", inputs.text, questions.size() + 1)});
  }
  if (questions.empty()) {
    fail_usage(
        "run: there is no text: a bundle for {} takes {}, --text-file FILE, or tensors by --inputs FILE",
        name(task), wanted(inputs));
  }
  if (inputs.pair.empty()) return questions;
  const std::vector<std::string>& pairs = values_of(flags, inputs.pair).values;
  if (pairs.empty() && inputs.pair_required) {
    fail_usage("run: {} is missing: a bundle for {} takes {}", inputs.pair, name(task), wanted(inputs));
  }
  if (pairs.size() > 1 && pairs.size() != questions.size()) {
    fail_usage("run: {} is given {} times for {} texts; give it once, or once for each", inputs.pair,
               pairs.size(), questions.size());
  }
  for (std::size_t i = 0; i < questions.size() && !pairs.empty(); ++i) {
    questions[i].pair = pairs.size() == 1 ? pairs[0] : pairs[i];
  }
  return questions;
}

}  // namespace bantam

#include "convert/lora/module_pattern.h"

#include <bitset>
#include <cctype>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxSteps = 20'000;  // of a compiled pattern
constexpr int kMaxDepth = 50;
constexpr int kMaxRepeats = 1000;

using Set = std::bitset<256>;

// Instructions of a Thompson automaton (Russ Cox, "Regular Expression Matching: the Virtual Machine
// Approach").
struct Step {
  enum class Kind : std::uint8_t { kSet, kSplit, kJump, kBegin, kEnd, kMatch } kind;
  Set set = {};
  std::size_t first = 0, second = 0;
};
using Program = std::vector<Step>;

Set class_of(char letter) {
  Set set;
  for (std::size_t c = 0; c < 256; ++c) {
    const int value = static_cast<int>(c);
    const int lower = std::tolower(letter);
    const bool in = lower == 'd'   ? std::isdigit(value) != 0
                    : lower == 's' ? std::isspace(value) != 0
                                   : std::isalnum(value) != 0 || c == '_' || c >= 128;
    set[c] = in != (std::isupper(static_cast<unsigned char>(letter)) != 0);
  }
  return set;
}

Set one(char c) {
  Set set;
  set[static_cast<unsigned char>(c)] = true;
  return set;
}

class Compiler {
 public:
  explicit Compiler(std::string_view pattern) : text_(pattern) {}

  Program run() {
    Program program = alternatives(0);
    if (at_ != text_.size()) refuse("an unmatched \")\"");
    program.push_back({.kind = Step::Kind::kMatch});
    return program;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail("the pattern {} has {} at character {}, which is not supported", quote(text_), what, at_ + 1);
  }
  bool more() const { return at_ < text_.size(); }
  bool take(char c) {
    if (!more() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // Steps refer to each other relative to their program's begin.
  static void append(Program& program, Program more) {
    const std::size_t shift = program.size();
    for (Step& step : more) {
      step.first += shift;
      step.second += shift;
      program.push_back(step);
    }
  }
  void check_size(std::size_t steps) const {
    if (steps > kMaxSteps) refuse("repetitions of repetitions");
  }

  Program alternatives(int depth) {
    if (depth > kMaxDepth) refuse("too many groups inside of groups");
    Program program = sequence(depth);
    while (take('|')) {
      Program right = sequence(depth);
      Program both = {{.kind = Step::Kind::kSplit, .first = 1, .second = program.size() + 2}};
      const std::size_t end = program.size() + right.size() + 2;
      append(both, std::move(program));
      both.push_back({.kind = Step::Kind::kJump, .first = end});
      append(both, std::move(right));
      check_size(both.size());
      program = std::move(both);
    }
    return program;
  }

  Program sequence(int depth) {
    Program program;
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      append(program, repeated(atom(depth)));
      check_size(program.size());
    }
    return program;
  }

  Program atom(int depth) {
    const char c = text_[at_++];
    switch (c) {
      case '(': {
        if (take('?') && !take(':')) refuse("a special group");
        Program inner = alternatives(depth + 1);
        if (!take(')')) refuse("an unmatched \"(\"");
        return inner;
      }
      case '[':
        return {{.kind = Step::Kind::kSet, .set = characters()}};
      case '.':
        return {{.kind = Step::Kind::kSet, .set = ~one('\n')}};
      case '^':
        return {{.kind = Step::Kind::kBegin}};
      case '$':
        return {{.kind = Step::Kind::kEnd}};
      case '\\':
        return {{.kind = Step::Kind::kSet, .set = escaped()}};
      case '*':
      case '+':
      case '?':
      case '{':
        --at_;
        refuse("a repetition of nothing");
      default:
        return {{.kind = Step::Kind::kSet, .set = one(c)}};
    }
  }

  Set escaped() {
    if (!more()) refuse("an end in the middle");
    const char c = text_[at_++];
    if (std::string_view("dDwWsS").find(c) != std::string_view::npos) return class_of(c);
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) refuse("a special escape");
    return one(c);
  }

  Set characters() {
    const bool inverted = take('^');
    Set set;
    bool first = true;
    while (first || !take(']')) {
      if (!more()) refuse("an unmatched \"[\"");
      first = false;
      const char from = text_[at_++];
      if (from == '\\') {
        set |= escaped();
        continue;
      }
      char to = from;
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        to = text_[at_ + 1];
        at_ += 2;
        if (to == '\\' || static_cast<unsigned char>(to) < static_cast<unsigned char>(from))
          refuse("a range");
      }
      for (int c = static_cast<unsigned char>(from); c <= static_cast<unsigned char>(to); ++c) {
        set[static_cast<std::size_t>(c)] = true;
      }
    }
    return inverted ? ~set : set;
  }

  int count() {
    int value = 0;
    while (more() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kMaxRepeats) refuse("a repetition");
    }
    return value;
  }

  Program repeated(Program inner) {
    if (!more()) return inner;
    int least = 0, most = -1;  // -1: any number
    if (take('*')) {
    } else if (take('+')) {
      least = 1;
    } else if (take('?')) {
      most = 1;
    } else if (take('{')) {
      least = count();
      if (!take(','))
        most = least;
      else if (!more() || text_[at_] != '}')
        most = count();
      if (!take('}') || (most >= 0 && most < least)) refuse("a repetition");
    } else {
      return inner;
    }
    if (more() && std::string_view("*+{").find(text_[at_]) != std::string_view::npos) refuse("a repetition");
    take('?');  // lazy or not is the same where all must match
    const std::size_t copies = static_cast<std::size_t>(most < 0 ? least + 1 : most);
    check_size(copies * (inner.size() + 2));
    Program program;
    for (int i = 0; i < least; ++i) append(program, inner);
    for (int i = least; i < most; ++i) {
      append(program, {{.kind = Step::Kind::kSplit, .first = 1, .second = inner.size() + 1}});
      append(program, inner);
    }
    if (most < 0) {
      const std::size_t begin = program.size();
      program.push_back({.kind = Step::Kind::kSplit, .first = begin + 1, .second = begin + inner.size() + 2});
      append(program, std::move(inner));
      program.push_back({.kind = Step::Kind::kJump, .first = begin});
    }
    return program;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// The states that a program is in, after the same characters.
class Threads {
 public:
  Threads(const Program& program, std::string_view text)
      : program_(&program), text_(text), seen_(program.size()) {}

  // Follows jumps and splits from `step`, without recursion.
  void add(std::size_t start, std::size_t at) {
    std::vector<std::size_t> open = {start};
    while (!open.empty()) {
      const std::size_t id = open.back();
      open.pop_back();
      if (seen_[id]) continue;
      seen_[id] = true;
      const Step& step = (*program_)[id];
      switch (step.kind) {
        case Step::Kind::kSplit:
          open.push_back(step.second);
          open.push_back(step.first);
          break;
        case Step::Kind::kJump:
          open.push_back(step.first);
          break;
        case Step::Kind::kBegin:
          if (at == 0) open.push_back(id + 1);
          break;
        case Step::Kind::kEnd:
          if (at == text_.size()) open.push_back(id + 1);
          break;
        case Step::Kind::kMatch:
          matched_ = true;
          break;
        case Step::Kind::kSet:
          waiting_.push_back(id);
          break;
      }
    }
  }
  const std::vector<std::size_t>& waiting() const { return waiting_; }
  bool matched() const { return matched_; }

 private:
  const Program* program_;
  std::string_view text_;
  std::vector<bool> seen_;
  std::vector<std::size_t> waiting_;
  bool matched_ = false;
};

}  // namespace

bool module_matches(std::string_view pattern, std::string_view module) {
  const Program program = Compiler(pattern).run();
  Threads now(program, module);
  now.add(0, 0);
  for (std::size_t at = 0; at < module.size(); ++at) {
    Threads next(program, module);
    const auto c = static_cast<unsigned char>(module[at]);
    for (const std::size_t id : now.waiting()) {
      if (program[id].set[c]) next.add(id + 1, at + 1);
    }
    if (c == '.') next.add(0, at + 1);  // what (.*\.)? may skip
    now = std::move(next);
  }
  return now.matched();
}

}  // namespace bantam

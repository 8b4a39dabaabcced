#include "frame/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <functional>

#include "base/error.h"
#include "base/nearest.h"
#include "base/units.h"

namespace bantam {
namespace {

// One declared option: its documentation, what CLI11 collected for it, and how that becomes the target's
// value.
struct Declared {
  OptionDoc doc;
  std::vector<std::string> given;
  bool flag_given = false;
  std::function<void(const std::vector<std::string>&)> store;

  std::string spelling() const { return doc.positional() ? doc.value : doc.long_name; }
};

OptionDoc doc_of(std::string_view spec, std::string group, std::string help, const Traits& traits) {
  OptionDoc doc{.help = std::move(help), .group = std::move(group)};
  const std::size_t space = spec.find(' ');
  if (space != spec.npos) doc.value = spec.substr(space + 1);
  std::string_view names = spec.substr(0, space);
  if (names.size() > 3 && names[2] == ',') {
    doc.short_name = names.substr(0, 2);
    names.remove_prefix(3);
  }
  doc.long_name = names;
  BANTAM_ASSERT(doc.long_name.starts_with("--"));
  doc.required = traits.required;
  doc.choices = traits.choices;
  doc.completes = traits.choices.empty() ? traits.completes : Completes::kChoices;
  return doc;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t comma = 0; comma != text.npos; text.remove_prefix(std::min(comma + 1, text.size()))) {
    comma = text.find(',');
    words.emplace_back(text.substr(0, comma));
    if (words.back().empty()) fail_usage("an empty word in a list; write it as A,B,C without spaces");
    if (comma == text.npos) break;
  }
  return words;
}

void check_choice(const std::string& word, const std::vector<Choice>& choices) {
  if (choices.empty()) return;
  std::vector<std::string_view> names;
  std::string all;
  for (const Choice& choice : choices) {
    if (choice.name == word) return;
    names.push_back(choice.name);
    all += (all.empty() ? "" : ", ") + choice.name;
  }
  const std::string_view near = nearest(word, names);
  if (near.empty()) fail_usage("'{}' is not one of {}", word, all);
  fail_usage("'{}' is not one of {}; did you mean {}?", word, all, near);
}

template <typename Number>
Number parse_number(const std::string& text, const Traits& traits) {
  Number number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && rest == text.data() + text.size();
  if constexpr (std::is_integral_v<Number>) {
    if (!whole) fail_usage("'{}' is not a whole number", text);
    if (number < traits.min) fail_usage("{} is too small; the least is {}", number, traits.min);
    if (number > traits.max) fail_usage("{} is too large; the most is {}", number, traits.max);
  } else {
    if (!whole || !std::isfinite(number)) fail_usage("'{}' is not a number", text);
  }
  return number;
}

// Text from the command line as a value of the target's type.
template <typename T>
T convert(const std::string& text, const Traits& traits) {
  if constexpr (std::is_arithmetic_v<T>) {
    return parse_number<T>(text, traits);
  } else if constexpr (std::is_same_v<T, ByteSize>) {
    return {parse_bytes(text)};
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    if (text.empty()) fail_usage("an empty path");
    return text;
  } else {
    check_choice(text, traits.choices);
    return text;
  }
}

}  // namespace

struct Options::State {
  CLI::App app;
  std::deque<Declared> declared;  // addresses stay: CLI11 and the callbacks point into it
  std::vector<OptionDoc> docs;
  std::string group = "Options";

  template <typename T, typename Target>
  void add_value(std::string_view spec, Target& target, std::string help, Traits traits) {
    if (std::is_same_v<T, std::filesystem::path> && traits.completes == Completes::kNothing) {
      traits.completes = Completes::kFiles;
    }
    Declared& option = declare(doc_of(spec, group, std::move(help), traits));
    BANTAM_ASSERT(!option.doc.value.empty());
    option.store = [&target, traits](const std::vector<std::string>& given) {
      if (given.size() > 1) fail_usage("is given {} times; give it once", given.size());
      target = convert<T>(given[0], traits);
    };
  }

  Declared& declare(OptionDoc doc) {
    Declared& option = declared.emplace_back();
    option.doc = std::move(doc);
    docs.push_back(option.doc);
    if (option.doc.positional()) return option;
    const std::string names =
        (option.doc.short_name.empty() ? "" : option.doc.short_name + ",") + option.doc.long_name;
    if (option.doc.value.empty()) {
      app.add_flag(names, option.flag_given)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      app.add_option(names, option.given)
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    return option;
  }

  void refuse_unknown(std::span<const std::string> arguments) const;
  std::vector<std::string> with_empty_values(std::span<const std::string> arguments) const;
  void assign_positionals(std::vector<std::string> words);
};

Options::Options() : state_(std::make_unique<State>()) {
  state_->app.set_help_flag();
  state_->app.allow_extras();
}
Options::~Options() = default;

void Options::group(std::string title) {
  state_->group = std::move(title);
}
std::span<const OptionDoc> Options::docs() const {
  return state_->docs;
}

void Options::add(std::string_view spec, bool& target, std::string help) {
  Declared& option = state_->declare(doc_of(spec, state_->group, std::move(help), {}));
  BANTAM_ASSERT(option.doc.value.empty());
  option.store = [&target](const std::vector<std::string>&) { target = true; };
}
void Options::add(std::string_view spec, std::string& target, std::string help, Traits traits) {
  state_->add_value<std::string>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::optional<std::string>& target, std::string help,
                  Traits traits) {
  state_->add_value<std::string>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::filesystem::path& target, std::string help, Traits traits) {
  state_->add_value<std::filesystem::path>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::optional<std::filesystem::path>& target, std::string help,
                  Traits traits) {
  state_->add_value<std::filesystem::path>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::int64_t& target, std::string help, Traits traits) {
  state_->add_value<std::int64_t>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::optional<std::int64_t>& target, std::string help,
                  Traits traits) {
  state_->add_value<std::int64_t>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, int& target, std::string help, Traits traits) {
  state_->add_value<int>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::optional<int>& target, std::string help, Traits traits) {
  state_->add_value<int>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, double& target, std::string help, Traits traits) {
  state_->add_value<double>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::optional<double>& target, std::string help, Traits traits) {
  state_->add_value<double>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, ByteSize& target, std::string help, Traits traits) {
  state_->add_value<ByteSize>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::optional<ByteSize>& target, std::string help, Traits traits) {
  state_->add_value<ByteSize>(spec, target, std::move(help), std::move(traits));
}
void Options::add(std::string_view spec, std::vector<std::string>& target, std::string help, Traits traits) {
  OptionDoc doc = doc_of(spec, state_->group, std::move(help), traits);
  doc.list = true;
  state_->declare(std::move(doc)).store = [&target, traits](const std::vector<std::string>& given) {
    if (given.size() > 1) fail_usage("is given {} times; write the words once, with commas", given.size());
    target = split(given[0]);
    for (const std::string& word : target) check_choice(word, traits.choices);
  };
}
void Options::add(std::string_view spec, Repeated& target, std::string help, Traits traits) {
  OptionDoc doc = doc_of(spec, state_->group, std::move(help), traits);
  state_->declare(std::move(doc)).store = [&target, traits](const std::vector<std::string>& given) {
    target.values = given;
    for (const std::string& word : target.values) check_choice(word, traits.choices);
  };
}

namespace {

OptionDoc positional_doc(std::string_view name, std::string help, const Traits& traits) {
  OptionDoc doc{.value = std::string(name), .help = std::move(help)};
  doc.choices = traits.choices;
  doc.completes = traits.choices.empty() ? traits.completes : Completes::kChoices;
  doc.required = traits.required;
  return doc;
}

}  // namespace

void Options::positional(std::string_view name, std::string& target, std::string help, Traits traits) {
  traits.required = true;
  state_->declare(positional_doc(name, std::move(help), traits)).store =
      [&target, traits](const auto& given) { target = convert<std::string>(given[0], traits); };
}
void Options::positional(std::string_view name, std::filesystem::path& target, std::string help,
                         Traits traits) {
  traits.required = true;
  if (traits.completes == Completes::kNothing) traits.completes = Completes::kFiles;
  state_->declare(positional_doc(name, std::move(help), traits)).store =
      [&target, traits](const auto& given) { target = convert<std::filesystem::path>(given[0], traits); };
}
void Options::positional(std::string_view name, std::optional<std::string>& target, std::string help,
                         Traits traits) {
  traits.required = false;
  state_->declare(positional_doc(name, std::move(help), traits)).store =
      [&target, traits](const auto& given) { target = convert<std::string>(given[0], traits); };
}
void Options::positional(std::string_view name, std::vector<std::string>& target, std::string help,
                         Traits traits) {
  OptionDoc doc = positional_doc(name, std::move(help), traits);
  doc.many = true;
  state_->declare(std::move(doc)).store = [&target, traits](const auto& given) {
    target = given;
    for (const std::string& word : target) check_choice(word, traits.choices);
  };
}

// CLI11 would take what follows an unknown option for positional arguments and complain about those.
void Options::State::refuse_unknown(std::span<const std::string> arguments) const {
  std::vector<std::string_view> known;
  std::string shorts;
  for (const Declared& option : declared) {
    if (!option.doc.positional()) known.push_back(option.doc.long_name);
    if (!option.doc.short_name.empty()) shorts += option.doc.short_name[1];
  }
  for (const std::string_view argument : arguments) {
    if (argument == "--") return;
    if (argument.starts_with("--")) {
      const std::string_view name = argument.substr(0, argument.find('='));
      if (std::ranges::find(known, name) != known.end()) continue;
      const std::string_view near = nearest(name, known);
      if (near.empty()) fail_usage("unknown option '{}'", name);
      fail_usage("unknown option '{}'; did you mean '{}'?", name, near);
    }
    const bool is_short = argument.size() > 1 && argument[0] == '-' && std::isalpha(argument[1]) != 0;
    if (is_short && shorts.find(argument[1]) == shorts.npos) {
      fail_usage("unknown option '{}'; a file of that name is written ./{}", argument.substr(0, 2), argument);
    }
  }
}

// CLI11 takes "--text=" for an option whose value is the next argument.
std::vector<std::string> Options::State::with_empty_values(std::span<const std::string> arguments) const {
  std::vector<std::string> words;
  bool options = true;
  for (const std::string& argument : arguments) {
    options = options && argument != "--";
    words.push_back(argument);
    if (!options || !argument.starts_with("--") || !argument.ends_with('=')) continue;
    const std::string name = argument.substr(0, argument.size() - 1);
    const auto takes_value = [&](const Declared& option) {
      return option.doc.long_name == name && !option.doc.value.empty();
    };
    if (std::ranges::none_of(declared, takes_value)) continue;
    words.back() = name;
    words.emplace_back();
  }
  return words;
}

void Options::State::assign_positionals(std::vector<std::string> words) {
  const auto mark = std::ranges::find(words, "--");
  if (mark != words.end()) words.erase(mark);
  std::size_t next = 0;
  for (Declared& option : declared) {
    if (!option.doc.positional()) continue;
    const std::size_t take =
        option.doc.many ? words.size() - next : std::min<std::size_t>(1, words.size() - next);
    const auto first = words.begin() + static_cast<std::ptrdiff_t>(next);
    option.given.assign(first, first + static_cast<std::ptrdiff_t>(take));
    next += take;
  }
  if (next < words.size()) fail_usage("unexpected argument '{}'", words[next]);
}

void Options::parse(std::span<const std::string> arguments) {
  state_->refuse_unknown(arguments);
  try {
    std::vector<std::string> words = state_->with_empty_values(arguments);
    std::ranges::reverse(words);  // as CLI11 wants them
    state_->app.parse(std::move(words));
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string_view text = error.what();
    fail_usage("{}: a value is missing", text.substr(0, text.find(':')));
  } catch (const CLI::ParseError& error) {
    fail_usage("{}", error.what());
  }
  state_->assign_positionals(state_->app.remaining());
  for (Declared& option : state_->declared) {
    if (!option.given.empty() || option.flag_given) {
      try {
        option.store(option.given);
      } catch (Error& error) {
        throw Error(ErrorCode::kUsage, fmt::format("{}: {}", option.spelling(), error.message()));
      }
    } else if (option.doc.required) {
      fail_usage("{} is missing", option.spelling());
    }
  }
}

}  // namespace bantam

#pragma once

#include <string>
#include <string_view>

namespace bantam {

// Whether PEFT gives a value of rank_pattern or alpha_pattern to a module: Python's
// re.match(r"(.*\.)?(PATTERN)$", module), so that a plain name means every module that ends with it. Regular
// expressions of characters, ".", classes, \d \w \s, groups, "|", "*", "+", "?", {m,n}, "^" and "$"; others
// are an Error that says where. Time is at most proportional to the lengths of both, whatever the pattern.
bool module_matches(std::string_view pattern, std::string_view module);

}  // namespace bantam

#pragma once

#include <string>
#include <string_view>

namespace bantam {

// str.lower() of Python. Text beyond ASCII needs the Rust bridge: without it (-DBANTAM_TOKENIZERS=OFF), and
// for text that is not UTF-8, an Error.
std::string lowercase(std::string_view text);

// A letter or digit of any script: what \w of Python's regular expressions matches, but for the underscore.
bool is_word_character(char32_t character);

}  // namespace bantam

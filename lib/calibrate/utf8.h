#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bantam {

// The byte at which `text` stops being UTF-8 (RFC 3629: no surrogates, no overlong forms); nothing where all
// is well.
std::optional<std::size_t> invalid_utf8(std::string_view text);

// The byte at which character number `index` begins; the size of the text where it has fewer characters.
std::size_t byte_of_character(std::string_view text, std::int64_t index);

// Reads the character at `at` and moves `at` behind it. `text` is valid UTF-8.
char32_t next_character(std::string_view text, std::size_t& at);
void append_utf8(std::string& text, char32_t character);

std::string latin1_to_utf8(std::string_view bytes);

// Python's str.isspace for one character: what str.split() splits at.
bool is_space(char32_t character);
// `text` without white space at both ends (ASCII white space).
std::string_view trim(std::string_view text);

}  // namespace bantam

#include "calibrate/unicode.h"

#include <algorithm>

#include "base/error.h"
#include "calibrate/bridge_text.h"

namespace bantam {

std::string lowercase(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    std::string result(text);
    for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return result;
  }
  const BantamOwnedText result = bantam_text_lowercase(borrow(text));
  if (result.data == nullptr) {
    fail("text is not UTF-8, or this build has no Unicode tables (-DBANTAM_TOKENIZERS=OFF)");
  }
  return take(result);
}

bool is_word_character(char32_t character) {
  if (character < 0x80) {
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z');
  }
  return bantam_text_is_alphanumeric(static_cast<std::uint32_t>(character));
}

}  // namespace bantam

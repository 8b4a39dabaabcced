#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "calibrate/tokenizer.h"

namespace bantam {

// Turns tokens into text as they come. Pieces are valid UTF-8 and end where no later token can change them:
// bytes of a character that is not complete are held back. All pieces together are what the tokens add to the
// decoded text of those before them, special tokens left out; a byte that never becomes a character is
// U+FFFD.
class TextStream {
 public:
  // `before`: the tokens that the text continues; none: it stands alone.
  explicit TextStream(const Tokenizer& tokenizer, std::span<const std::int64_t> before = {});

  // What the token completes; may be empty.
  std::string push(std::int64_t token);
  // What was held back.
  std::string finish();

 private:
  std::string advance(bool last);

  const Tokenizer& tokenizer_;
  std::vector<std::int64_t> tokens_;  // that decide how the next ones decode, and those that were not written
  std::size_t written_ = 0;           // of tokens_
};

}  // namespace bantam

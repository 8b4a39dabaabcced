#include "pipeline/generate/text_stream.h"

#include <algorithm>
#include <string_view>

namespace bantam {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";
// Tokens before that are decoded again: enough for a word in single bytes.
constexpr std::ptrdiff_t kTail = 16;

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::span<const std::int64_t> before)
    : tokenizer_(tokenizer),
      tokens_(before.end() - std::min(kTail, std::ssize(before)), before.end()),
      written_(tokens_.size()) {}

std::string TextStream::push(std::int64_t token) {
  tokens_.push_back(token);
  return advance(false);
}

std::string TextStream::finish() {
  return advance(true);
}

std::string TextStream::advance(bool last) {
  if (written_ == tokens_.size()) return {};
  const std::string before = tokenizer_.decode(std::span(tokens_).first(written_));
  const std::string all = tokenizer_.decode(tokens_);
  auto same = static_cast<std::size_t>(std::ranges::mismatch(before, all).in1 - before.begin());
  const bool open = same < before.size() || all.size() == before.size() || all.ends_with(kReplacement);
  if (open && !last) return {};
  while (same > 0 && same < all.size() && (static_cast<unsigned char>(all[same]) & 0xc0u) == 0x80u) --same;
  std::string piece = all.substr(same);
  // The tokens just written are the context of those that follow.
  tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(written_));
  written_ = tokens_.size();
  return piece;
}

}  // namespace bantam

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// Bytes [begin, end) of the text that a token comes from; always whole characters. For input that was split
// into words they count within the word. [0, 0) for tokens that the template added.
struct ByteRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

// One sequence as the model reads it. All vectors have the same length.
struct Encoding {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> type_ids;        // token_type_ids
  std::vector<std::int64_t> attention_mask;  // 0 where pad() padded
  std::vector<ByteRange> offsets;
  std::vector<std::int32_t> word_ids;      // index of the word; -1 for special tokens and padding
  std::vector<std::int32_t> sequence_ids;  // 0 first text, 1 second text, -1 special tokens and padding
  std::vector<std::uint8_t> special;       // 1 for tokens that the template or padding added

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
};

enum class Truncation { kNone, kLongestFirst, kOnlyFirst, kOnlySecond };
enum class Side { kRight, kLeft };

struct EncodeOptions {
  bool add_special_tokens = true;
  Truncation truncation = Truncation::kNone;
  std::int64_t max_length = 0;  // of the whole sequence, special tokens included; read when truncating
  std::int64_t stride = 0;      // tokens that two neighbouring spans share (encode_spans)
  std::optional<Side> truncation_side = {};  // as the checkpoint says (truncation_side) when absent
};

struct Padding {
  std::int64_t id = 0;
  std::int64_t type_id = 0;
  Side side = Side::kRight;
  std::int64_t multiple_of = 1;
};

// What the model reads: a text or a pair.
struct TextPair {
  std::string_view text;
  std::string_view pair;
  bool has_pair = false;
};

// Special tokens by role, as tokenizer_config.json or special_tokens_map.json names them.
struct SpecialToken {
  std::string role;  // "cls_token", "mask_token", ...
  std::string token;
  std::int64_t id = 0;
};

// tokenizer.json of a checkpoint, run by Hugging Face's own `tokenizers` crate (the one that the Python
// package wraps), so that ids are Python's. Immutable, cheap to copy, safe to use from several threads.
// Errors: kInvalid for files that the crate cannot load, for requests that cannot be met, for text that is
// not UTF-8, and always in a build with -DBANTAM_TOKENIZERS=OFF.
class Tokenizer {
 public:
  // A checkpoint or bundle folder (tokenizer.json, and tokenizer_config.json and special_tokens_map.json
  // where present), or the path of a tokenizer.json.
  static Tokenizer load(const std::filesystem::path& path);
  // The content of tokenizer.json, and of tokenizer_config.json or nothing.
  static Tokenizer from_json(std::string_view tokenizer, std::string_view tokenizer_config = {});

  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode_pair(std::string_view text, std::string_view pair, const EncodeOptions& options = {}) const;
  // Text that was split into words already (is_split_into_words in transformers).
  Encoding encode_words(std::span<const std::string> words, const EncodeOptions& options = {}) const;
  // The encoding and all the spans that truncation cut off it, in order (return_overflowing_tokens).
  std::vector<Encoding> encode_spans(const TextPair& input, const EncodeOptions& options) const;
  // The same as encode for each input, on `threads` threads; not padded.
  std::vector<Encoding> encode_batch(std::span<const TextPair> inputs, const EncodeOptions& options,
                                     int threads) const;

  std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true) const;

  // Entries of the vocabulary, added tokens included; ids may go beyond it where a vocabulary has holes.
  std::int64_t vocabulary_size() const;
  std::optional<std::int64_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(std::int64_t id) const;
  std::span<const SpecialToken> special_tokens() const;
  std::optional<std::int64_t> special_token_id(std::string_view role) const;

  // model_max_length, else the length that tokenizer.json truncates to; nothing when neither is a real limit.
  std::optional<std::int64_t> max_length() const;
  // How the checkpoint pads: padding of tokenizer.json, pad_token and padding_side of tokenizer_config.json.
  const Padding& padding() const;

 private:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

// Pads every encoding to the longest one, or to `length` where that is larger.
void pad(std::span<Encoding> encodings, const Padding& padding, std::int64_t length = 0);

}  // namespace bantam

#include "calibrate/tokenizer.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "calibrate/bridge_text.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxTokenizerBytes = 256 << 20;
constexpr std::int64_t kMaxConfigBytes = 16 << 20;
// transformers writes int(1e30) for "no limit"; nothing real reads more tokens than this.
constexpr double kNoLimit = 1e8;

struct CloseTokenizer {
  void operator()(BantamTokenizer* tokenizer) const { bantam_tokenizer_close(tokenizer); }
};
struct FreeEncoding {
  void operator()(BantamEncoding* encoding) const { bantam_encoding_free(encoding); }
};

std::string token_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    return value["content"].get<std::string>();
  }
  return {};
}

Encoding copy_span(const BantamSpan& span) {
  Encoding encoding;
  encoding.ids.assign(span.ids, span.ids + span.size);
  encoding.type_ids.assign(span.type_ids, span.type_ids + span.size);
  encoding.attention_mask.assign(span.size, 1);
  encoding.offsets.reserve(span.size);
  for (std::size_t i = 0; i < span.size; ++i) {
    encoding.offsets.push_back({span.offsets[2 * i], span.offsets[2 * i + 1]});
  }
  encoding.word_ids.assign(span.word_ids, span.word_ids + span.size);
  encoding.sequence_ids.assign(span.sequence_ids, span.sequence_ids + span.size);
  encoding.special.assign(span.special, span.special + span.size);
  return encoding;
}

std::size_t token_count(std::int64_t value, std::string_view what) {
  if (value < 0) fail("{} {} where a number of tokens was expected", what, value);
  return static_cast<std::size_t>(value);
}

}  // namespace

struct Tokenizer::Impl {
  std::unique_ptr<BantamTokenizer, CloseTokenizer> handle;
  std::int64_t vocabulary_size = 0;
  std::optional<std::int64_t> max_length;
  Side truncation_side = Side::kRight;
  Padding padding;
  std::vector<SpecialToken> special_tokens;

  void describe();
  void configure(const Json& config);
  void add_special_token(const std::string& role, const std::string& token);
  std::optional<std::int64_t> id_of(std::string_view token) const;
  std::unique_ptr<BantamEncoding, FreeEncoding> run(std::span<const BantamText> first,
                                                    std::span<const BantamText> second, bool words,
                                                    const EncodeOptions& options) const;
  Encoding encode(const TextPair& input, const EncodeOptions& options) const;
};

namespace {

// Nothing in it can be trusted to have the right type: the crate ignores what it does not need.
std::int64_t small_integer(const Json& object, const char* key, std::int64_t fallback) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer()) return fallback;
  const auto value = object[key].get<std::int64_t>();
  return value < 0 || value > std::numeric_limits<std::int32_t>::max() ? fallback : value;
}

Side side_of(const Json& object, const char* key, Side fallback) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return fallback;
  const auto& text = object[key].get_ref<const std::string&>();
  if (text == "left" || text == "Left") return Side::kLeft;
  if (text == "right" || text == "Right") return Side::kRight;
  fail("{} is {} where left or right was expected", key, quote(text));
}

}  // namespace

// What tokenizer.json itself says.
void Tokenizer::Impl::describe() {
  BantamOwnedText error{};
  const BantamOwnedText description = bantam_tokenizer_describe(handle.get(), &error);
  if (description.data == nullptr) throw_bridge_error(error);
  const Json value = parse_json(take(description));
  vocabulary_size = value["vocabulary_size"].get<std::int64_t>();
  const Json& truncation = value["truncation"];
  truncation_side = side_of(truncation, "direction", Side::kRight);
  if (truncation.is_object()) {
    if (const std::int64_t limit = small_integer(truncation, "max_length", 0); limit > 0) max_length = limit;
  }
  const Json& stated = value["padding"];
  padding.id = small_integer(stated, "pad_id", 0);
  padding.type_id = small_integer(stated, "pad_type_id", 0);
  padding.side = side_of(stated, "direction", Side::kRight);
  padding.multiple_of = std::clamp<std::int64_t>(small_integer(stated, "pad_to_multiple_of", 1), 1, 1 << 16);
}

// What tokenizer_config.json says; it wins, as in transformers.
void Tokenizer::Impl::configure(const Json& config) {
  if (!config.is_object()) fail("a JSON object was expected");
  for (const auto& [key, value] : config.items()) {
    if (key.ends_with("_token")) add_special_token(key, token_text(value));
  }
  if (config.contains("model_max_length") && config["model_max_length"].is_number()) {
    const double limit = config["model_max_length"].get<double>();
    if (limit >= 1 && limit < kNoLimit) {
      max_length = static_cast<std::int64_t>(limit);
    } else if (limit >= kNoLimit) {
      max_length.reset();
    }
  }
  truncation_side = side_of(config, "truncation_side", truncation_side);
  padding.side = side_of(config, "padding_side", padding.side);
  padding.type_id = small_integer(config, "pad_token_type_id", padding.type_id);
}

void Tokenizer::Impl::add_special_token(const std::string& role, const std::string& token) {
  const auto known = std::ranges::find(special_tokens, role, &SpecialToken::role);
  if (token.empty() || known != special_tokens.end()) return;
  const auto id = id_of(token);
  if (!id) return;
  special_tokens.push_back({role, token, *id});
  if (role == "pad_token") padding.id = *id;
}

std::optional<std::int64_t> Tokenizer::Impl::id_of(std::string_view token) const {
  const std::int64_t id = bantam_tokenizer_token_to_id(handle.get(), borrow(token));
  if (id < 0) return std::nullopt;
  return id;
}

std::unique_ptr<BantamEncoding, FreeEncoding> Tokenizer::Impl::run(std::span<const BantamText> first,
                                                                   std::span<const BantamText> second,
                                                                   bool words,
                                                                   const EncodeOptions& options) const {
  BantamEncodeRequest request{};
  request.first = first.data();
  request.first_count = first.size();
  request.second = second.data();
  request.second_count = second.size();
  request.words = words ? 1 : 0;
  request.add_special_tokens = options.add_special_tokens ? 1 : 0;
  request.truncation = static_cast<std::uint8_t>(options.truncation);
  request.truncate_left = options.truncation_side.value_or(truncation_side) == Side::kLeft ? 1 : 0;
  request.max_length = token_count(options.max_length, "max_length");
  request.stride = token_count(options.stride, "stride");
  BantamOwnedText error{};
  std::unique_ptr<BantamEncoding, FreeEncoding> encoding(
      bantam_tokenizer_encode(handle.get(), &request, &error));
  if (!encoding) with_context("tokenizer", [&] { throw_bridge_error(error); });
  return encoding;
}

Encoding Tokenizer::Impl::encode(const TextPair& input, const EncodeOptions& options) const {
  const BantamText first = borrow(input.text);
  const BantamText second = borrow(input.pair);
  const auto result = run({&first, 1}, {&second, input.has_pair ? 1u : 0u}, false, options);
  return copy_span(bantam_encoding_span(result.get(), 0));
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::from_json(std::string_view tokenizer, std::string_view tokenizer_config) {
  auto impl = std::make_shared<Impl>();
  BantamOwnedText error{};
  impl->handle.reset(bantam_tokenizer_open(borrow(tokenizer), &error));
  if (!impl->handle) throw_bridge_error(error);
  impl->describe();
  if (!tokenizer_config.empty()) {
    with_context("tokenizer_config.json", [&] { impl->configure(parse_json(tokenizer_config)); });
  }
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  const bool folder = std::filesystem::is_directory(path);
  const std::filesystem::path file = folder ? path / "tokenizer.json" : path;
  if (!std::filesystem::exists(file)) {
    fail(
        "{}: no tokenizer.json here; write one with transformers: "
        "AutoTokenizer.from_pretrained(...).save_pretrained(...)",
        path.string());
  }
  const std::string tokenizer = read_text_file(file, kMaxTokenizerBytes);
  auto impl = std::make_shared<Impl>();
  with_context(file.string(), [&] {
    if (tokenizer.starts_with("version https://git-lfs")) {
      fail("is a Git-LFS pointer, not the file itself; fetch it with \"git lfs pull\"");
    }
    BantamOwnedText error{};
    impl->handle.reset(bantam_tokenizer_open(borrow(tokenizer), &error));
    if (!impl->handle) throw_bridge_error(error);
    impl->describe();
  });
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path config = file.parent_path() / name;
    if (!folder || !std::filesystem::exists(config)) continue;
    const Json value = read_json_file(config, {.max_bytes = kMaxConfigBytes});
    with_context(config.string(), [&] { impl->configure(value); });
  }
  return Tokenizer(std::move(impl));
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return impl_->encode({text, {}, false}, options);
}

Encoding Tokenizer::encode_pair(std::string_view text, std::string_view pair,
                                const EncodeOptions& options) const {
  return impl_->encode({text, pair, true}, options);
}

Encoding Tokenizer::encode_words(std::span<const std::string> words, const EncodeOptions& options) const {
  std::vector<BantamText> texts;
  texts.reserve(words.size());
  for (const std::string& word : words) texts.push_back(borrow(word));
  const auto result = impl_->run(texts, {}, true, options);
  return copy_span(bantam_encoding_span(result.get(), 0));
}

std::vector<Encoding> Tokenizer::encode_spans(const TextPair& input, const EncodeOptions& options) const {
  const BantamText first = borrow(input.text);
  const BantamText second = borrow(input.pair);
  const auto result = impl_->run({&first, 1}, {&second, input.has_pair ? 1u : 0u}, false, options);
  std::vector<Encoding> spans(bantam_encoding_spans(result.get()));
  for (std::size_t i = 0; i < spans.size(); ++i) spans[i] = copy_span(bantam_encoding_span(result.get(), i));
  return spans;
}

std::vector<Encoding> Tokenizer::encode_batch(std::span<const TextPair> inputs, const EncodeOptions& options,
                                              int threads) const {
  std::vector<Encoding> encodings(inputs.size());
  parallel_for(std::ssize(inputs), threads, [&](std::int64_t item, int) {
    const auto i = static_cast<std::size_t>(item);
    encodings[i] = impl_->encode(inputs[i], options);
  });
  return encodings;
}

std::string Tokenizer::decode(std::span<const std::int64_t> ids, bool skip_special_tokens) const {
  std::vector<std::uint32_t> narrow;
  narrow.reserve(ids.size());
  for (const std::int64_t id : ids) {
    if (id < 0 || id > std::numeric_limits<std::uint32_t>::max()) fail("tokenizer: {} is no token id", id);
    narrow.push_back(static_cast<std::uint32_t>(id));
  }
  BantamOwnedText error{};
  const BantamOwnedText text =
      bantam_tokenizer_decode(impl_->handle.get(), narrow.data(), narrow.size(), skip_special_tokens, &error);
  if (text.data == nullptr) with_context("tokenizer", [&] { throw_bridge_error(error); });
  return take(text);
}

std::int64_t Tokenizer::vocabulary_size() const {
  return impl_->vocabulary_size;
}

std::optional<std::int64_t> Tokenizer::token_to_id(std::string_view token) const {
  return impl_->id_of(token);
}

std::optional<std::string> Tokenizer::id_to_token(std::int64_t id) const {
  if (id < 0 || id > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  const BantamOwnedText token =
      bantam_tokenizer_id_to_token(impl_->handle.get(), static_cast<std::uint32_t>(id));
  if (token.data == nullptr) return std::nullopt;
  return take(token);
}

std::span<const SpecialToken> Tokenizer::special_tokens() const {
  return impl_->special_tokens;
}

std::optional<std::int64_t> Tokenizer::special_token_id(std::string_view role) const {
  const auto token = std::ranges::find(impl_->special_tokens, role, &SpecialToken::role);
  if (token == impl_->special_tokens.end()) return std::nullopt;
  return token->id;
}

std::optional<std::int64_t> Tokenizer::max_length() const {
  return impl_->max_length;
}
const Padding& Tokenizer::padding() const {
  return impl_->padding;
}

void pad(std::span<Encoding> encodings, const Padding& padding, std::int64_t length) {
  for (const Encoding& encoding : encodings) length = std::max(length, encoding.size());
  const std::int64_t multiple = std::max<std::int64_t>(1, padding.multiple_of);
  length = (length + multiple - 1) / multiple * multiple;
  for (Encoding& encoding : encodings) {
    const auto missing = static_cast<std::size_t>(length - encoding.size());
    const bool left = padding.side == Side::kLeft;
    const auto fill = [&](auto& values, auto value) {
      values.insert(left ? values.begin() : values.end(), missing, value);
    };
    fill(encoding.ids, padding.id);
    fill(encoding.type_ids, padding.type_id);
    fill(encoding.attention_mask, std::int64_t{0});
    fill(encoding.offsets, ByteRange{});
    fill(encoding.word_ids, std::int32_t{-1});
    fill(encoding.sequence_ids, std::int32_t{-1});
    fill(encoding.special, std::uint8_t{1});
  }
}

}  // namespace bantam

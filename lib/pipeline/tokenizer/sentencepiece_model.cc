#include "pipeline/tokenizer/sentencepiece_model.h"

#include <bit>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxFileBytes = std::int64_t{64} << 20;

// Fields of one protobuf message, in file order (protobuf.dev/programming-guides/encoding).
class Fields {
 public:
  // `begin` is the message's first byte in the file, for messages.
  Fields(std::string_view bytes, std::size_t begin) : bytes_(bytes), begin_(begin) {}

  // Goes to the next field; false at the end.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const std::uint64_t tag = varint();
    number_ = tag >> 3;
    wire_type_ = static_cast<int>(tag & 7);
    number_value_ = 0;
    content_ = {};
    switch (wire_type_) {
      case 0:
        number_value_ = varint();
        break;
      case 1:
        content_ = take(8);
        break;
      case 2:
        content_ = take(varint());
        break;
      case 5:
        content_ = take(4);
        break;
      default:
        wrong();
    }
    return true;
  }

  std::uint64_t number() const { return number_; }
  std::uint64_t integer() const { return wire_type_ == 0 ? number_value_ : wrong(); }
  std::string_view content() const {
    if (wire_type_ != 2) wrong();
    return content_;
  }
  Fields message() const { return {content(), begin_ + at_ - content_.size()}; }
  float number32() const {
    if (wire_type_ != 5) wrong();
    std::uint32_t bits = 0;
    for (int i = 3; i >= 0; --i)
      bits = bits << 8 | static_cast<unsigned char>(content_[static_cast<std::size_t>(i)]);
    return std::bit_cast<float>(bits);
  }
  [[noreturn]] std::uint64_t wrong() const { fail("not a sentencepiece model at byte {}", begin_ + at_); }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) wrong();
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80u) return value;
    }
    wrong();
  }
  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - at_) wrong();
    const std::string_view bytes = bytes_.substr(at_, size);
    at_ += size;
    return bytes;
  }

  std::string_view bytes_;
  std::size_t begin_;
  std::size_t at_ = 0;
  std::uint64_t number_ = 0;
  int wire_type_ = 0;
  std::uint64_t number_value_ = 0;
  std::string_view content_;
};

SentencePiece read_piece(Fields fields) {
  SentencePiece piece;
  while (fields.next()) {
    if (fields.number() == 1) piece.text = fields.content();
    if (fields.number() == 2) piece.score = fields.number32();
    if (fields.number() == 3) {
      if (fields.integer() < SentencePiece::kNormal || fields.integer() > SentencePiece::kByte)
        fields.wrong();
      piece.type = static_cast<SentencePiece::Type>(fields.integer());
    }
  }
  if (piece.text.empty() || invalid_utf8(piece.text) || !std::isfinite(piece.score)) fields.wrong();
  return piece;
}

void read_trainer(Fields fields, SentencePieceModel& model) {
  while (fields.next()) {
    if (fields.number() == 3) {
      if (fields.integer() < SentencePieceModel::kUnigram || fields.integer() > SentencePieceModel::kChar)
        fields.wrong();
      model.kind = static_cast<SentencePieceModel::Kind>(fields.integer());
    }
    if (fields.number() == 35) model.byte_fallback = fields.integer() != 0;
    if (fields.number() == 40) model.unknown_id = static_cast<std::int64_t>(fields.integer());
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(const std::filesystem::path& path) {
  const std::string bytes = read_text_file(path, kMaxFileBytes);
  return with_context(path.string(), [&] {
    if (bytes.starts_with("version https://git-lfs")) {
      fail("is a Git-LFS pointer, not the file itself; fetch it with \"git lfs pull\"");
    }
    SentencePieceModel model;
    Fields fields(bytes, 0);
    while (fields.next()) {
      if (fields.number() == 1) model.pieces.push_back(read_piece(fields.message()));
      if (fields.number() == 2) read_trainer(fields.message(), model);
      if (fields.number() != 3) continue;
      Fields normalizer = fields.message();
      while (normalizer.next()) {
        if (normalizer.number() == 2) model.character_map = normalizer.content();
      }
    }
    if (model.pieces.empty()) fail("holds no pieces");
    if (model.unknown_id < 0 || model.unknown_id >= std::ssize(model.pieces))
      fail("unk_id is {}, with {} pieces", model.unknown_id, model.pieces.size());
    return model;
  });
}

}  // namespace bantam

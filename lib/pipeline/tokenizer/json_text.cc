#include "pipeline/tokenizer/json_text.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace bantam {
namespace {

std::string read_source_text(const std::filesystem::path& path, std::int64_t max_bytes) {
  std::string text = read_text_file(path, max_bytes);
  if (text.starts_with("version https://git-lfs")) {
    fail("{}: is a Git-LFS pointer, not the file itself; fetch it with \"git lfs pull\"", path.string());
  }
  return text;
}

// Bytes of the UTF-8 sequence that starts at `at`, or 0 (Unicode 15, table 3-7: no surrogates, no overlong
// forms).
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const unsigned char lead = byte(at);
  if (lead < 0x80u) return 1;
  if (lead < 0xc2u || lead > 0xf4u) return 0;
  const std::size_t length = lead < 0xe0u ? 2 : lead < 0xf0u ? 3 : 4;
  const unsigned char low = lead == 0xe0u ? 0xa0u : lead == 0xf0u ? 0x90u : 0x80u;
  const unsigned char high = lead == 0xedu ? 0x9fu : lead == 0xf4u ? 0x8fu : 0xbfu;
  if (byte(at + 1) < low || byte(at + 1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(at + i) & 0xc0u) != 0x80u) return 0;
  }
  return length;
}

// Accepts everything that parses; remembers where it did not.
class Checker : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    wrong_byte = position;
    return false;
  }
  std::size_t wrong_byte = 0;
};

}  // namespace

std::string read_utf8_file(const std::filesystem::path& path, std::int64_t max_bytes) {
  std::string text = read_source_text(path, max_bytes);
  if (const std::size_t at = find_wrong_utf8(text); at != text.npos) {
    fail("{}: is not UTF-8 text at byte {}", path.string(), at + 1);
  }
  return text;
}

std::size_t find_wrong_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return text.npos;
}

void check_json_file(const std::filesystem::path& path, std::int64_t max_bytes) {
  const std::string text = read_source_text(path, max_bytes);
  // The parser takes a NUL for the end of its input and would ignore what follows.
  if (const auto at = text.find('\0'); at != text.npos)
    fail("{}: not valid JSON: NUL at byte {}", path.string(), at + 1);
  Checker checker;
  if (!Json::sax_parse(text, &checker))
    fail("{}: not valid JSON at byte {}", path.string(), checker.wrong_byte);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20u) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

}  // namespace bantam

#include "pipeline/tokenizer/json_text.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

std::string read_source_text(const std::filesystem::path& path, std::int64_t max_bytes) {
  std::string text = read_text_file(path, max_bytes);
  if (text.starts_with("version https://git-lfs")) {
    fail("{}: is a Git-LFS pointer, not the file itself; fetch it with \"git lfs pull\"", path.string());
  }
  return text;
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
  if (const auto at = invalid_utf8(text)) fail("{}: is not UTF-8 text at byte {}", path.string(), *at + 1);
  return text;
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

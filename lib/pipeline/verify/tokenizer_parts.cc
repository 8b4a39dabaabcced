#include "pipeline/verify/tokenizer_parts.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 12> kNormalizers = {
    "BertNormalizer", "Precompiled", "Sequence", "Replace",      "NFC",       "NFD",
    "NFKC",           "NFKD",        "Strip",    "StripAccents", "Lowercase", "Prepend"};
constexpr std::array<std::string_view, 11> kPreTokenizers = {
    "BertPreTokenizer", "Sequence",    "Whitespace", "WhitespaceSplit", "Metaspace", "ByteLevel", "Split",
    "Digits",           "Punctuation", "Replace",    "FixedLength"};
constexpr std::array<std::string_view, 5> kPostProcessors = {
    "TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing", "Sequence"};
constexpr std::array<std::string_view, 10> kDecoders = {"ByteLevel", "WordPiece",   "Metaspace", "BPEDecoder",
                                                        "CTC",       "Sequence",    "Replace",   "Fuse",
                                                        "Strip",     "ByteFallback"};
constexpr std::array<std::string_view, 3> kModels = {"WordPiece", "Unigram", "BPE"};

// A part of the file, and where a Sequence has its own parts.
struct Part {
  std::string_view key, parts;
  std::span<const std::string_view> types;
};
constexpr std::array<Part, 5> kParts = {{
    {"normalizer", "normalizers", kNormalizers},
    {"pre_tokenizer", "pretokenizers", kPreTokenizers},
    {"post_processor", "processors", kPostProcessors},
    {"decoder", "decoders", kDecoders},
    {"model", "", kModels},
}};

std::string missing(const Part& part, const Json& value, int depth) {
  if (!value.is_object() || depth > 16) return {};
  const auto type = value.find("type");
  // Files of old versions name no type of the model; that is found out by what it holds.
  if (type == value.end() || !type->is_string()) return {};
  const auto text = type->get<std::string>();
  if (std::ranges::find(part.types, text) == part.types.end())
    return fmt::format("{} of type {}", part.key, quote(text));
  const auto parts = value.find(part.parts);
  if (text != "Sequence" || parts == value.end() || !parts->is_array()) return {};
  for (const Json& inner : *parts) {
    if (std::string found = missing(part, inner, depth + 1); !found.empty()) return found;
  }
  return {};
}

}  // namespace

std::string missing_tokenizer_part(const Json& tokenizer) {
  for (const Part& part : kParts) {
    const auto value = tokenizer.find(part.key);
    if (value == tokenizer.end()) continue;
    if (std::string found = missing(part, *value, 0); !found.empty()) return found;
  }
  return {};
}

}  // namespace bantam

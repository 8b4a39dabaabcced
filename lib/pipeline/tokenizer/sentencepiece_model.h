#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bantam {

// sentencepiece_model.proto of the sentencepiece library, the fields that a tokenizer.json needs.
struct SentencePiece {
  enum Type : std::uint8_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  std::string text;  // UTF-8, not empty
  float score = 0;   // log probability; finite
  Type type = kNormal;
};
struct SentencePieceModel {
  enum Kind : std::uint8_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  Kind kind = kUnigram;
  std::int64_t unknown_id = 0;
  bool byte_fallback = false;
  std::vector<SentencePiece> pieces;  // by id
  std::string character_map;          // precompiled_charsmap: bytes of a trie; empty: text is not normalized
};

// Errors name the path and the first wrong byte: not a protobuf message, a number out of range, bad text, no
// pieces.
SentencePieceModel read_sentencepiece_model(const std::filesystem::path& path);

}  // namespace bantam

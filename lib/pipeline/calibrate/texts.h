#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "calibrate/dataset.h"
#include "calibrate/tokenizer.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"

namespace bantam {

// The sequences that a float model is calibrated with, as token ids: four bytes a token and nothing of the
// texts.
class CalibrationTexts {
 public:
  std::int64_t size() const { return std::ssize(ends_); }
  std::int64_t tokens() const { return std::ssize(ids_); }
  std::int64_t length(std::int64_t text) const;
  // As the model reads it: nothing masked.
  Encoding encoding(std::int64_t text) const;
  // "dev.tsv:17", for messages.
  std::string place(std::int64_t text) const;
  // SHA-256 (hex) over ids, types and lengths.
  std::string digest() const;

  const std::string& name() const { return name_; }  // of the file, for people
  const Padding& padding() const { return padding_; }
  bool causal() const { return causal_; }  // windows for a decoder: never padded

  // `line` is of `where`.
  void add(const Encoding& encoding, std::int64_t line);
  void describe(std::string name, std::string where, std::string between, Padding padding, bool causal);

 private:
  std::vector<std::int32_t> ids_;
  std::vector<std::uint8_t> types_;
  std::vector<std::int64_t> ends_;
  std::vector<std::int64_t> lines_;
  std::string name_, where_, between_;
  Padding padding_;
  bool causal_ = false;
};

struct CalibrationDataOptions {
  std::filesystem::path
      file;  // kSelf: what a decoder writes itself (self_text.h), dataset.limit windows of max_length tokens
  DatasetOptions dataset;
  std::int64_t max_length = 0;  // tokens; 0: what model and tokenizer take, at most 512
};

// Reads the data and encodes them with the checkpoint's tokenizer as the task reads them: single texts and
// pairs, both sentences of similarity pairs, questions with their contexts in spans, words; for decoders,
// documents cut into windows of max_length tokens. Labels are not needed. Errors name file and line: what
// load_dataset() refuses, ids that the model has no embedding for, fewer than kFewestTokens tokens in all.
inline constexpr std::int64_t kFewestTokens = 64;
inline constexpr std::string_view kSelf = "self";
CalibrationTexts load_calibration_texts(const Checkpoint& checkpoint, const ModelGraph& model,
                                        const CalibrationDataOptions& options, int threads,
                                        Progress& progress);

// The tokenizer of a checkpoint, made from vocabulary files where it has no tokenizer.json.
Tokenizer checkpoint_tokenizer(const Checkpoint& checkpoint);

}  // namespace bantam

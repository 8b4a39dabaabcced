#pragma once

// The C boundary to the Rust crates (lib/calibrate/bridge/src). Strings are (pointer, size), UTF-8, never
// NUL-terminated. A function that can fail writes why into `*error` and returns null or false; `error` is
// then to be freed by bantam_text_free. Panics of the crates arrive as errors. Objects are immutable and may
// be used from several threads at once, but for BantamParquet, which is a cursor.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct BantamText {  // borrowed from the caller
  const char* data;
  size_t size;
} BantamText;

typedef struct BantamOwnedText {  // owned by the bridge; data is null when there is nothing
  char* data;
  size_t size;
} BantamOwnedText;

void bantam_text_free(BantamOwnedText text);

// ---- Unicode

// Lower case as str.lower() of Python has it; null for text that is not UTF-8, and without Rust.
BantamOwnedText bantam_text_lowercase(BantamText text);
bool bantam_text_is_alphanumeric(uint32_t character);

// ---- tokenizers

typedef struct BantamTokenizer BantamTokenizer;
typedef struct BantamEncoding BantamEncoding;

typedef struct BantamEncodeRequest {
  const BantamText* first;
  size_t first_count;  // 1, or the number of words when `words`
  const BantamText* second;
  size_t second_count;  // 0: no pair
  size_t max_length;    // of the whole encoding, special tokens included; used when truncation is not 0
  size_t stride;        // tokens that two neighbouring spans share
  uint8_t words;        // the input was split into words already
  uint8_t add_special_tokens;
  uint8_t truncation;  // 0 none, 1 longest first, 2 only the first, 3 only the second
  uint8_t truncate_left;
} BantamEncodeRequest;

// One span of an encoding: `size` elements behind each pointer, valid until bantam_encoding_free.
typedef struct BantamSpan {
  size_t size;
  const uint32_t* ids;
  const uint32_t* type_ids;
  const uint32_t* offsets;  // 2 x size: begin and end in bytes of the sequence (or word) the token is from
  const int32_t* word_ids;  // -1 for special tokens
  const int32_t* sequence_ids;  // 0 first, 1 second, -1 special token
  const uint8_t* special;       // 1 for tokens that the template added
} BantamSpan;

// `json` is the content of tokenizer.json.
BantamTokenizer* bantam_tokenizer_open(BantamText json, BantamOwnedText* error);
void bantam_tokenizer_close(BantamTokenizer* tokenizer);
// JSON: {"vocabulary_size", "truncation", "padding", "added_tokens": [{"id", "content", "special"}]}.
BantamOwnedText bantam_tokenizer_describe(const BantamTokenizer* tokenizer, BantamOwnedText* error);
// Null when the request cannot be met. Span 0 is the encoding; the others are what truncation cut off.
BantamEncoding* bantam_tokenizer_encode(const BantamTokenizer* tokenizer, const BantamEncodeRequest* request,
                                        BantamOwnedText* error);
size_t bantam_encoding_spans(const BantamEncoding* encoding);
BantamSpan bantam_encoding_span(const BantamEncoding* encoding, size_t index);
void bantam_encoding_free(BantamEncoding* encoding);
BantamOwnedText bantam_tokenizer_decode(const BantamTokenizer* tokenizer, const uint32_t* ids, size_t count,
                                        bool skip_special_tokens, BantamOwnedText* error);
// -1 when the token is not in the vocabulary.
int64_t bantam_tokenizer_token_to_id(const BantamTokenizer* tokenizer, BantamText token);
// No data when the id is not in the vocabulary.
BantamOwnedText bantam_tokenizer_id_to_token(const BantamTokenizer* tokenizer, uint32_t id);

// ---- chat templates

typedef struct BantamTemplate BantamTemplate;

// What strftime_now sees.
typedef struct BantamLocalTime {
  int32_t year, month, day;  // month 1 to 12
  int32_t hour, minute, second;
  int32_t weekday;   // 0: Sunday
  int32_t year_day;  // 0: January 1
} BantamLocalTime;

// `source` is a Jinja template, rendered as transformers renders chat templates.
BantamTemplate* bantam_template_open(BantamText source, BantamOwnedText* error);
void bantam_template_close(BantamTemplate* chat);
// `messages`: a JSON array of objects; `tools`: a JSON array, or empty for none; `variables`: a JSON object
// of what else the template sees. A template that runs for too long, makes too much text or raises is an
// error.
BantamOwnedText bantam_template_render(const BantamTemplate* chat, BantamText messages, BantamText tools,
                                       BantamText variables, BantamLocalTime now, BantamOwnedText* error);

// ---- parquet

typedef struct BantamParquet BantamParquet;

BantamParquet* bantam_parquet_open(BantamText path, BantamOwnedText* error);
void bantam_parquet_close(BantamParquet* file);
// JSON: {"rows", "columns": [top-level names], "huggingface": text of that metadata key or null}.
BantamOwnedText bantam_parquet_describe(const BantamParquet* file, BantamOwnedText* error);
// Restricts what is read to these top-level columns; before the first row is read.
bool bantam_parquet_select(BantamParquet* file, const BantamText* columns, size_t count,
                           BantamOwnedText* error);
// The next rows, at most `count`, as a JSON array of objects; "[]" at the end.
BantamOwnedText bantam_parquet_next(BantamParquet* file, size_t count, BantamOwnedText* error);

#ifdef __cplusplus
}
#endif

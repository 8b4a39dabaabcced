// The functions of bridge.h in a build without Rust (-DBANTAM_TOKENIZERS=OFF): opening anything fails and says why.
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

static void say(BantamOwnedText* error, const char* message) {
  if (!error) return;
  error->size = strlen(message);
  error->data = malloc(error->size);
  if (error->data) {
    memcpy(error->data, message, error->size);
  } else {
    error->size = 0;
  }
}

static BantamOwnedText nothing(void) {
  BantamOwnedText text = {NULL, 0};
  return text;
}

void bantam_text_free(BantamOwnedText text) { free(text.data); }

BantamOwnedText bantam_text_lowercase(BantamText text) {
  (void)text;
  return nothing();
}
bool bantam_text_is_alphanumeric(uint32_t character) {
  (void)character;
  return false;
}

BantamTokenizer* bantam_tokenizer_open(BantamText json, BantamOwnedText* error) {
  (void)json;
  say(error,
      "this build has no tokenizers (it was configured with -DBANTAM_TOKENIZERS=OFF); "
      "configure with -DBANTAM_TOKENIZERS=ON and install cargo");
  return NULL;
}

// Never called: nothing could be opened.
void bantam_tokenizer_close(BantamTokenizer* tokenizer) { (void)tokenizer; }
BantamOwnedText bantam_tokenizer_describe(const BantamTokenizer* tokenizer, BantamOwnedText* error) {
  (void)tokenizer, (void)error;
  return nothing();
}
BantamEncoding* bantam_tokenizer_encode(const BantamTokenizer* tokenizer, const BantamEncodeRequest* request,
                                        BantamOwnedText* error) {
  (void)tokenizer, (void)request, (void)error;
  return NULL;
}
size_t bantam_encoding_spans(const BantamEncoding* encoding) {
  (void)encoding;
  return 0;
}
BantamSpan bantam_encoding_span(const BantamEncoding* encoding, size_t index) {
  (void)encoding, (void)index;
  BantamSpan span = {0};
  return span;
}
void bantam_encoding_free(BantamEncoding* encoding) { (void)encoding; }
BantamOwnedText bantam_tokenizer_decode(const BantamTokenizer* tokenizer, const uint32_t* ids, size_t count,
                                        bool skip_special_tokens, BantamOwnedText* error) {
  (void)tokenizer, (void)ids, (void)count, (void)skip_special_tokens, (void)error;
  return nothing();
}
int64_t bantam_tokenizer_token_to_id(const BantamTokenizer* tokenizer, BantamText token) {
  (void)tokenizer, (void)token;
  return -1;
}
BantamOwnedText bantam_tokenizer_id_to_token(const BantamTokenizer* tokenizer, uint32_t id) {
  (void)tokenizer, (void)id;
  return nothing();
}

BantamTemplate* bantam_template_open(BantamText source, BantamOwnedText* error) {
  (void)source;
  say(error,
      "this build renders no chat templates (it was configured with -DBANTAM_TOKENIZERS=OFF); "
      "configure with -DBANTAM_TOKENIZERS=ON and install cargo");
  return NULL;
}
void bantam_template_close(BantamTemplate* chat) { (void)chat; }
BantamOwnedText bantam_template_render(const BantamTemplate* chat, BantamText messages, BantamText tools,
                                       BantamText variables, BantamLocalTime now, BantamOwnedText* error) {
  (void)chat, (void)messages, (void)tools, (void)variables, (void)now, (void)error;
  return nothing();
}

BantamParquet* bantam_parquet_open(BantamText path, BantamOwnedText* error) {
  (void)path;
  say(error,
      "this build reads no Parquet (it was configured with -DBANTAM_TOKENIZERS=OFF); use JSONL or CSV");
  return NULL;
}
void bantam_parquet_close(BantamParquet* file) { (void)file; }
BantamOwnedText bantam_parquet_describe(const BantamParquet* file, BantamOwnedText* error) {
  (void)file, (void)error;
  return nothing();
}
bool bantam_parquet_select(BantamParquet* file, const BantamText* columns, size_t count, BantamOwnedText* error) {
  (void)file, (void)columns, (void)count, (void)error;
  return false;
}
BantamOwnedText bantam_parquet_next(BantamParquet* file, size_t count, BantamOwnedText* error) {
  (void)file, (void)count, (void)error;
  return nothing();
}

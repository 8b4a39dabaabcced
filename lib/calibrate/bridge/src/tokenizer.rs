//! The functions `bantam_tokenizer_*` and `bantam_encoding_*`.

use crate::boundary::{guard, slice, OwnedText, Text};
use crate::encode::{Request, Span};
use serde_json::json;
use std::collections::HashSet;
use std::ptr::null_mut;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::Tokenizer;

pub struct BantamTokenizer {
    core: Tokenizer,
    processor: Option<PostProcessorWrapper>,
    special: HashSet<u32>,
    description: String,
}

pub struct BantamEncoding {
    spans: Vec<Span>,
}

#[repr(C)]
pub struct BantamSpan {
    size: usize,
    ids: *const u32,
    type_ids: *const u32,
    offsets: *const u32,
    word_ids: *const i32,
    sequence_ids: *const i32,
    special: *const u8,
}

fn describe(tokenizer: &Tokenizer) -> Result<String, String> {
    let mut added: Vec<_> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    added.sort_by_key(|(id, _)| *id);
    let added: Vec<_> = added
        .into_iter()
        .map(|(id, token)| json!({"id": id, "content": token.content, "special": token.special}))
        .collect();
    let value = json!({
        "vocabulary_size": tokenizer.get_vocab_size(true),
        "truncation": tokenizer.get_truncation(),
        "padding": tokenizer.get_padding(),
        "added_tokens": added,
    });
    serde_json::to_string(&value).map_err(|e| e.to_string())
}

fn open(json: &[u8]) -> Result<BantamTokenizer, String> {
    // Batches are spread over threads by the caller.
    tokenizers::utils::parallelism::set_parallelism(false);
    let mut core = Tokenizer::from_bytes(json).map_err(|e| e.to_string())?;
    let description = describe(&core)?;
    let processor = core.get_post_processor().cloned();
    core.with_post_processor(None::<PostProcessorWrapper>);
    core.with_truncation(None).map_err(|e| e.to_string())?;
    core.with_padding(None);
    let added = core.get_added_tokens_decoder();
    let special = added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
    Ok(BantamTokenizer { core, processor, special, description })
}

/// # Safety
/// `json` is valid for the call; so is `error`, or null (here and below).
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_open(json: Text, error: *mut OwnedText) -> *mut BantamTokenizer {
    guard(error, null_mut(), || Ok(Box::into_raw(Box::new(open(json.bytes())?))))
}

/// # Safety
/// `tokenizer` comes from `bantam_tokenizer_open`, or is null, and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_close(tokenizer: *mut BantamTokenizer) {
    if !tokenizer.is_null() {
        guard(null_mut(), (), || {
            drop(Box::from_raw(tokenizer));
            Ok(())
        });
    }
}

/// # Safety
/// `tokenizer` is open (here and below).
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_describe(
    tokenizer: *const BantamTokenizer,
    error: *mut OwnedText,
) -> OwnedText {
    guard(error, OwnedText::none(), || Ok((*tokenizer).description.clone().into()))
}

/// # Safety
/// The request and its texts are valid for the call.
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_encode(
    tokenizer: *const BantamTokenizer,
    request: *const Request,
    error: *mut OwnedText,
) -> *mut BantamEncoding {
    guard(error, null_mut(), || {
        let tokenizer = &*tokenizer;
        let spans = (*request).run(&tokenizer.core, tokenizer.processor.as_ref())?;
        Ok(Box::into_raw(Box::new(BantamEncoding { spans })))
    })
}

/// # Safety
/// `encoding` comes from `bantam_tokenizer_encode` (here and below).
#[no_mangle]
pub unsafe extern "C" fn bantam_encoding_spans(encoding: *const BantamEncoding) -> usize {
    (*encoding).spans.len()
}

/// # Safety
/// `index` is below `bantam_encoding_spans`; the pointers are valid until the encoding is freed.
#[no_mangle]
pub unsafe extern "C" fn bantam_encoding_span(encoding: *const BantamEncoding, index: usize) -> BantamSpan {
    let spans = &(*encoding).spans;
    let span = &spans[index];
    BantamSpan {
        size: span.ids.len(),
        ids: span.ids.as_ptr(),
        type_ids: span.type_ids.as_ptr(),
        offsets: span.offsets.as_ptr(),
        word_ids: span.word_ids.as_ptr(),
        sequence_ids: span.sequence_ids.as_ptr(),
        special: span.special.as_ptr(),
    }
}

/// # Safety
/// The encoding is not used any more.
#[no_mangle]
pub unsafe extern "C" fn bantam_encoding_free(encoding: *mut BantamEncoding) {
    if !encoding.is_null() {
        drop(Box::from_raw(encoding));
    }
}

/// # Safety
/// `ids` points to `count` ids.
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_decode(
    tokenizer: *const BantamTokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: bool,
    error: *mut OwnedText,
) -> OwnedText {
    guard(error, OwnedText::none(), || {
        let tokenizer = &*tokenizer;
        let ids = slice(ids, count);
        // Left out by their ids: the crate looks for the content, and misses special tokens that are normalized.
        let kept: Vec<u32> = ids.iter().filter(|id| !tokenizer.special.contains(id)).copied().collect();
        let text = tokenizer.core.decode(if skip_special_tokens { &kept } else { ids }, skip_special_tokens);
        text.map(OwnedText::from).map_err(|e| e.to_string())
    })
}

/// # Safety
/// `token` is valid for the call.
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_token_to_id(tokenizer: *const BantamTokenizer, token: Text) -> i64 {
    guard(null_mut(), -1, || {
        let id = (*tokenizer).core.token_to_id(token.utf8()?);
        Ok(id.map_or(-1, i64::from))
    })
}

/// # Safety
/// `tokenizer` is open.
#[no_mangle]
pub unsafe extern "C" fn bantam_tokenizer_id_to_token(tokenizer: *const BantamTokenizer, id: u32) -> OwnedText {
    guard(null_mut(), OwnedText::none(), || {
        Ok((*tokenizer).core.id_to_token(id).map_or_else(OwnedText::none, OwnedText::from))
    })
}

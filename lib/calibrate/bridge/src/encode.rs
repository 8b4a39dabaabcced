//! From text to spans of ids: the order of steps of `TokenizerImpl::encode`, with truncation per call.
//!
//! Offsets are counted in characters by the crate, as in Python, and turned into bytes here: the crate's own byte
//! offsets cut a character in two where a byte-level token does.
//!
//! The crate keeps truncation in the tokenizer and, in 0.23.2, stops tokenizing at `max_length`, which loses the
//! overflowing spans that question answering needs. So `core` is a tokenizer without truncation, template and
//! padding, and these steps follow here with the crate's own functions.

use crate::boundary::{slice, Text};
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::tokenizer::{EncodeInput, InputSequence, PostProcessor};
use tokenizers::utils::truncation::truncate_encodings;
use tokenizers::{Encoding, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

/// `BantamEncodeRequest`
#[repr(C)]
pub struct Request {
    first: *const Text,
    first_count: usize,
    second: *const Text,
    second_count: usize,
    max_length: usize,
    stride: usize,
    words: u8,
    add_special_tokens: u8,
    truncation: u8,
    truncate_left: u8,
}

/// What one `BantamSpan` points to.
pub struct Span {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    pub offsets: Vec<u32>,
    pub word_ids: Vec<i32>,
    pub sequence_ids: Vec<i32>,
    pub special: Vec<u8>,
}

/// One side of the input: a text, or the words it was split into.
struct Sequence<'a> {
    texts: Vec<&'a str>,
    words: bool,
    /// For each text, the byte at which each character begins, and the end; empty where bytes are characters.
    starts: Vec<Vec<usize>>,
}

impl<'a> Sequence<'a> {
    unsafe fn new(texts: *const Text, count: usize, words: bool) -> Result<Self, String> {
        let texts: Result<Vec<&str>, String> = slice(texts, count).iter().map(|t| t.utf8()).collect();
        let texts = texts?;
        if !words && texts.len() != 1 {
            return Err("one text was expected".to_string());
        }
        let starts = texts.iter().map(|text| character_starts(text)).collect();
        Ok(Sequence { texts, words, starts })
    }

    /// The crate places a few added tokens beyond the end of their text: those end with it.
    fn byte_of(&self, word: Option<u32>, character: usize) -> Result<u32, String> {
        let which = if self.words { word.unwrap_or(0) as usize } else { 0 };
        let size = self.texts.get(which).map_or(0, |text| text.len());
        let byte = match self.starts.get(which) {
            Some(starts) if !starts.is_empty() => starts.get(character).copied().unwrap_or(size),
            _ => character.min(size),
        };
        u32::try_from(byte).map_err(|_| "a text of more than 4 GiB".to_string())
    }
}

fn character_starts(text: &str) -> Vec<usize> {
    if text.is_ascii() {
        return Vec::new();
    }
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

fn tokenize(core: &Tokenizer, sequence: &Sequence, which: u32) -> Result<Encoding, String> {
    let input: InputSequence = match sequence.words {
        true => sequence.texts.clone().into(),
        false => sequence.texts[0].into(),
    };
    let mut encoding = core
        .encode_char_offsets(EncodeInput::Single(input), false)
        .map_err(|e| e.to_string())?;
    encoding.set_type_ids(vec![which; encoding.len()]);
    Ok(encoding)
}

impl Request {
    fn truncation(&self, added: usize, added_to_single: usize) -> Result<Option<TruncationParams>, String> {
        let strategy = match self.truncation {
            0 => return Ok(None),
            1 => TruncationStrategy::LongestFirst,
            2 => TruncationStrategy::OnlyFirst,
            3 => TruncationStrategy::OnlySecond,
            other => return Err(format!("unknown truncation {other}")),
        };
        let max_length = self.max_length.checked_sub(added).ok_or_else(|| {
            format!("the {added} special tokens alone are longer than the maximal length {}", self.max_length)
        })?;
        let room = self.max_length.saturating_sub(added_to_single);
        if self.stride > room {
            return Err(format!("stride {} where at most {room} was expected", self.stride));
        }
        let direction = match self.truncate_left {
            0 => TruncationDirection::Right,
            _ => TruncationDirection::Left,
        };
        Ok(Some(TruncationParams { direction, max_length, strategy, stride: self.stride }))
    }

    /// # Safety
    /// The texts of the request are valid.
    pub unsafe fn run(&self, core: &Tokenizer, processor: Option<&PostProcessorWrapper>) -> Result<Vec<Span>, String> {
        let words = self.words != 0;
        let special = self.add_special_tokens != 0;
        let has_pair = self.second_count > 0;
        let mut sequences = vec![Sequence::new(self.first, self.first_count, words)?];
        let mut first = tokenize(core, &sequences[0], 0)?;
        let mut second = None;
        if has_pair {
            sequences.push(Sequence::new(self.second, self.second_count, words)?);
            second = Some(tokenize(core, &sequences[1], 1)?);
        }
        let added = match processor {
            Some(processor) if special => processor.added_tokens(has_pair),
            _ => 0,
        };
        let added_to_single = processor.map_or(0, |p| p.added_tokens(false));
        if let Some(params) = self.truncation(added, added_to_single)? {
            (first, second) = truncate_encodings(first, second, &params).map_err(|e| e.to_string())?;
        }
        let mut whole = match processor {
            Some(processor) => processor.process(first, second, special),
            None => {
                let mut parts = vec![first];
                parts.extend(second);
                for (origin, part) in parts.iter_mut().enumerate() {
                    part.set_sequence_id(origin);
                    part.get_overflowing_mut().iter_mut().for_each(|span| span.set_sequence_id(origin));
                }
                <dyn PostProcessor>::default_process(parts, special).map(|mut parts| parts.swap_remove(0))
            }
        }
        .map_err(|e| e.to_string())?;
        let overflowing = whole.take_overflowing();
        std::iter::once(whole).chain(overflowing).map(|e| flatten(&e, &sequences)).collect()
    }
}

fn flatten(encoding: &Encoding, sequences: &[Sequence]) -> Result<Span, String> {
    let words = encoding.get_word_ids();
    let origins = encoding.get_sequence_ids();
    let mut offsets = Vec::with_capacity(2 * encoding.len());
    for (i, &(begin, end)) in encoding.get_offsets().iter().enumerate() {
        match origins[i].and_then(|origin| sequences.get(origin)) {
            Some(sequence) => {
                offsets.push(sequence.byte_of(words[i], begin)?);
                offsets.push(sequence.byte_of(words[i], end)?);
            }
            None => offsets.extend([0, 0]),
        }
    }
    Ok(Span {
        ids: encoding.get_ids().to_vec(),
        type_ids: encoding.get_type_ids().to_vec(),
        offsets,
        word_ids: words.iter().map(|w| w.map_or(-1, |w| w as i32)).collect(),
        sequence_ids: origins.iter().map(|s| s.map_or(-1, |s| s as i32)).collect(),
        special: encoding.get_special_tokens_mask().iter().map(|&s| s as u8).collect(),
    })
}

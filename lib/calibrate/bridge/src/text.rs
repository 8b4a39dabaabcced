//! The functions `bantam_text_*`: Unicode tables of Rust's standard library.

use crate::boundary::{guard, OwnedText, Text};
use std::ptr::null_mut;

/// # Safety
/// `text` is valid for the call.
#[no_mangle]
pub unsafe extern "C" fn bantam_text_lowercase(text: Text) -> OwnedText {
    guard(null_mut(), OwnedText::none(), || Ok(text.utf8()?.to_lowercase().into()))
}

#[no_mangle]
pub extern "C" fn bantam_text_is_alphanumeric(character: u32) -> bool {
    char::from_u32(character).is_some_and(char::is_alphanumeric)
}

//! The functions `bantam_parquet_*` of a build without the parquet crate: opening says so.

use crate::boundary::{guard, OwnedText, Text};
use std::ptr::null_mut;

/// Nothing of it can exist.
pub enum BantamParquet {}

/// # Safety
/// `error` may be written to, or is null.
#[no_mangle]
pub unsafe extern "C" fn bantam_parquet_open(_path: Text, error: *mut OwnedText) -> *mut BantamParquet {
    guard(error, null_mut(), || {
        Err("this build reads no Parquet (it was configured with -DBANTAM_PARQUET=OFF); use JSONL or CSV".to_string())
    })
}

#[no_mangle]
pub extern "C" fn bantam_parquet_close(_file: *mut BantamParquet) {}

#[no_mangle]
pub extern "C" fn bantam_parquet_describe(_file: *const BantamParquet, _error: *mut OwnedText) -> OwnedText {
    OwnedText::none()
}

#[no_mangle]
pub extern "C" fn bantam_parquet_select(
    _file: *mut BantamParquet,
    _columns: *const Text,
    _count: usize,
    _error: *mut OwnedText,
) -> bool {
    false
}

#[no_mangle]
pub extern "C" fn bantam_parquet_next(
    _file: *mut BantamParquet,
    _count: usize,
    _error: *mut OwnedText,
) -> OwnedText {
    OwnedText::none()
}

//! What every function of the boundary shares: text in, text out, errors, and no panic beyond it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// `BantamText`: borrowed from the caller.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    data: *const u8,
    size: usize,
}

/// `BantamOwnedText`: a boxed slice of bytes, or null.
#[repr(C)]
pub struct OwnedText {
    data: *mut u8,
    size: usize,
}

impl OwnedText {
    pub fn none() -> Self {
        OwnedText { data: std::ptr::null_mut(), size: 0 }
    }
}

impl From<String> for OwnedText {
    fn from(text: String) -> Self {
        let bytes = text.into_bytes().into_boxed_slice();
        let size = bytes.len();
        OwnedText { data: Box::into_raw(bytes) as *mut u8, size }
    }
}

/// # Safety
/// `text` comes from this library and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn bantam_text_free(text: OwnedText) {
    if !text.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(text.data, text.size)));
    }
}

/// # Safety
/// `data` points to `count` elements that outlive the slice, or `count` is 0.
pub unsafe fn slice<'a, T>(data: *const T, count: usize) -> &'a [T] {
    if data.is_null() || count == 0 {
        return &[];
    }
    std::slice::from_raw_parts(data, count)
}

impl Text {
    /// # Safety
    /// The caller's bytes outlive the slice.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        slice(self.data, self.size)
    }

    /// # Safety
    /// As `bytes`.
    pub unsafe fn utf8<'a>(self) -> Result<&'a str, String> {
        let bytes = self.bytes();
        std::str::from_utf8(bytes).map_err(|e| format!("invalid UTF-8 at byte {}", e.valid_up_to()))
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics inside of `guard` are kept for the error text instead of being printed.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                return before(info);
            }
            let place = info.location().map(|l| format!(" ({}:{})", file_name(l.file()), l.line()));
            let text = payload_text(info.payload());
            PANIC.set(Some(format!("{text}{}", place.unwrap_or_default())));
        }));
    });
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn payload_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "unknown reason"
    }
}

/// Runs `body`; a panic becomes its error.
pub fn caught<T>(body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    keep_quiet();
    INSIDE.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(false);
    result.unwrap_or_else(|payload| {
        // A destructor may panic as well; that of text does not. Leave any other payload alone.
        if !payload.is::<&str>() && !payload.is::<String>() {
            std::mem::forget(payload);
        }
        let reason = PANIC.take().unwrap_or_else(|| "unknown reason".to_string());
        Err(format!("the library gave up: {reason}"))
    })
}

/// Runs `body`; its error or panic is written to `error`, and `fallback` is returned in its place.
///
/// # Safety
/// `error` is null or may be written to.
pub unsafe fn guard<T>(error: *mut OwnedText, fallback: T, body: impl FnOnce() -> Result<T, String>) -> T {
    let message = match caught(body) {
        Ok(value) => return value,
        Err(message) => message,
    };
    if !error.is_null() {
        *error = message.into();
    }
    fallback
}

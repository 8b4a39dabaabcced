//! Runs untrusted code on a thread of its own that may use so much memory and so much time. The crates count what they
//! can, but not everything: a list that is doubled again and again is only a promise until it suddenly is made.
//!
//! Memory cannot be refused to Rust code without ending the process. So the thread that asks for too much stands still
//! where it asks, and is left behind, as is one that takes too long: the caller gets an error and is expected to end.

use crate::boundary::caught;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

pub struct Limits {
    pub bytes: i64,
    pub time: Duration,
}

const STACK_BYTES: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_millis(5);

struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

thread_local! {
    // Bytes that the thread may still ask for; without a bound, more than there are.
    static LEFT: Cell<i64> = const { Cell::new(i64::MAX) };
    static EXHAUSTED: Cell<*const AtomicBool> = const { Cell::new(std::ptr::null()) };
}

fn charge(bytes: usize) {
    // No thread-local storage any more: the thread is ending.
    let _ = LEFT.try_with(|left| {
        let rest = left.get().saturating_sub(bytes as i64);
        left.set(rest);
        if rest < 0 {
            stand_still();
        }
    });
}

fn refund(bytes: usize) {
    let _ = LEFT.try_with(|left| left.set(left.get().saturating_add(bytes as i64)));
}

#[cold]
fn stand_still() {
    let exhausted = EXHAUSTED.get();
    if exhausted.is_null() {
        return;
    }
    // The flag lives as long as this thread, which owns a share of it and never ends.
    unsafe { (*exhausted).store(true, Ordering::Release) };
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        System.alloc(layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        System.alloc_zeroed(layout)
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        refund(layout.size());
        System.dealloc(pointer, layout);
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        charge(size);
        refund(layout.size());
        System.realloc(pointer, layout, size)
    }
}

/// `body` on a thread of its own; its result, its panic as an error, or which limit it met.
pub fn run<T: Send + 'static>(
    limits: Limits,
    body: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let exhausted = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = sync_channel(1);
    let flag = Arc::clone(&exhausted);
    let work = move || {
        EXHAUSTED.set(Arc::as_ptr(&flag));
        LEFT.set(limits.bytes);
        let result = caught(body);
        LEFT.set(i64::MAX);
        EXHAUSTED.set(std::ptr::null());
        let _ = sender.send(result);
        drop(flag);
    };
    let thread = Builder::new().stack_size(STACK_BYTES).spawn(work).map_err(|e| format!("no thread: {e}"))?;
    let start = Instant::now();
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(result) => {
                let _ = thread.join();
                return result;
            }
            Err(RecvTimeoutError::Disconnected) => return Err("the thread ended without a result".to_string()),
            Err(RecvTimeoutError::Timeout) if exhausted.load(Ordering::Acquire) => {
                return Err(format!("it needs more than {} MiB of memory", limits.bytes >> 20));
            }
            Err(RecvTimeoutError::Timeout) if start.elapsed() > limits.time => {
                return Err(format!("it does not end within {} s", limits.time.as_secs()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

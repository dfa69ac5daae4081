//! Ranges that a profiler such as Nsight Systems shows around steps, layers and ops.

use super::driver::load;
use cudarc::nvtx::sys as nvtx;
use std::ffi::CString;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub(super) const SYMBOLS: &[&str] = &["nvtxRangePop", "nvtxRangePushA"];

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Turns ranges on or off, and says whether they are on: they stay off where `libnvToolsExt`, which CUDA 12 and Nsight
/// Systems bring, cannot be loaded.
pub fn enable_profiling(on: bool) -> bool {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    let on = on && *PRESENT.get_or_init(|| load(&["nvToolsExt"], SYMBOLS).is_ok());
    ENABLED.store(on, Relaxed);
    on
}

/// A range that a profiler shows; it ends when this goes, on the thread where it began.
#[must_use = "a range ends when it is dropped"]
pub struct Range {
    open: bool,
    _of_this_thread: PhantomData<*const ()>,
}

impl Range {
    /// Opens a range, if profiling is on.
    #[inline]
    pub fn open(name: &str) -> Range {
        Range { open: ENABLED.load(Relaxed) && push(name), _of_this_thread: PhantomData }
    }
}

impl Drop for Range {
    #[inline]
    fn drop(&mut self) {
        if self.open {
            // SAFETY: the library was loaded before the range was opened, on this thread.
            unsafe { nvtx::nvtxRangePop() };
        }
    }
}

#[cold]
fn push(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: the library is loaded where ranges are on; it copies the name, which ends in a zero.
    unsafe { nvtx::nvtxRangePushA(name.as_ptr()) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_open_only_when_asked_for() {
        assert!(!Range::open("off").open);
        let on = enable_profiling(true);
        assert_eq!(Range::open("on").open, on);
        assert!(!Range::open("a zero\0inside").open);
        assert!(!enable_profiling(false));
        assert!(!Range::open("off").open);
    }
}

//! Ranges that a profiler such as Nsight Systems shows around steps, layers and ops.

use libloading::Library;
use std::ffi::{CString, c_char, c_int};
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Where the functions are: a library of CUDA 12 and of Nsight Systems, and what CUDA 13 has in its place.
const LIBRARIES: [&str; 3] = ["libnvToolsExt.so.1", "libnvToolsExt.so", "libnvtx3interop.so"];

/// The functions of a library that stays open.
struct Nvtx {
    push: unsafe extern "C" fn(*const c_char) -> c_int,
    pop: unsafe extern "C" fn() -> c_int,
}

static NVTX: OnceLock<Option<Nvtx>> = OnceLock::new();
static ENABLED: AtomicBool = AtomicBool::new(false);

impl Nvtx {
    fn load(names: &[&str]) -> Option<Nvtx> {
        names.iter().find_map(|name| {
            // SAFETY: what a library runs when it is loaded is the system's affair: these are NVIDIA's, by name.
            let library = unsafe { Library::new(*name) }.ok()?;
            // SAFETY: the types are those of `nvToolsExt.h`.
            let (push, pop) = unsafe { (*library.get(b"nvtxRangePushA").ok()?, *library.get(b"nvtxRangePop").ok()?) };
            std::mem::forget(library);
            Some(Nvtx { push, pop })
        })
    }
}

/// Turns ranges on or off.
///
/// # Errors
/// What to install, in words, where no library of NVTX can be loaded; ranges then stay off.
pub fn enable_profiling(on: bool) -> Result<(), String> {
    let found = !on || NVTX.get_or_init(|| Nvtx::load(&LIBRARIES)).is_some();
    ENABLED.store(on && found, Relaxed);
    if found {
        return Ok(());
    }
    Err(format!(
        "no NVTX ranges: none of {} could be loaded. Install cuda-nvtx (CUDA 12, CUDA 13; pip: nvidia-nvtx) and put its \
         folder on LD_LIBRARY_PATH",
        LIBRARIES.join(", ")
    ))
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
            pop();
        }
    }
}

#[cold]
fn push(name: &str) -> bool {
    let (Some(Some(nvtx)), Ok(name)) = (NVTX.get(), CString::new(name)) else { return false };
    // SAFETY: the library stays open; it copies the name, which ends in a zero.
    unsafe { (nvtx.push)(name.as_ptr()) };
    true
}

#[cold]
fn pop() {
    if let Some(Some(nvtx)) = NVTX.get() {
        // SAFETY: the library stays open; the range was opened on this thread.
        unsafe { (nvtx.pop)() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_open_only_when_asked_for() {
        assert!(!Range::open("off").open);
        let on = enable_profiling(true);
        assert!(on.as_ref().err().is_none_or(|message| message.contains("libnvtx3interop.so")), "{on:?}");
        assert_eq!(Range::open("on").open, on.is_ok());
        assert!(!Range::open("a zero\0inside").open);
        assert!(enable_profiling(false).is_ok());
        assert!(!Range::open("off").open);
    }

    #[test]
    fn a_library_without_the_functions_is_none() {
        assert!(Nvtx::load(&["libno_such_library.so", "libc.so.6"]).is_none());
    }
}

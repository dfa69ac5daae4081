//! The driver library: loading it, what it must offer, versions, and its errors as [`CudaError`].
//!
//! cudarc loads a library when one of its functions is first called and panics where the library or the function is
//! missing. So every library is opened here first, and asked for every function that this folder calls.

use crate::error::{CudaError, Result};
use cudarc::driver::sys::{self, CUresult};
use libloading::Library;
use std::error::Error as _;
use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The functions of the driver that this folder calls. A driver of CUDA 11.4 has them all, so that one which is too old
/// for the kernels is told so (`Card::runs`), and not that it is no driver.
const SYMBOLS: &[&str] = &[
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetDefaultMemPool",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuFuncSetAttribute",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphUpload",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAllocAsync",
    "cuMemFreeAsync",
    "cuMemHostAlloc",
    "cuMemPoolSetAttribute",
    "cuMemPoolTrimTo",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD16Async",
    "cuMemsetD32Async",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadDataEx",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamEndCapture",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
    "cuThreadExchangeStreamCaptureMode",
];

/// A version, or a compute capability: `13.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The number before the point.
    pub major: u32,
    /// The number after it.
    pub minor: u32,
}

impl Version {
    pub(super) const fn new(major: u32, minor: u32) -> Version {
        Version { major, minor }
    }

    /// The CUDA version that the driver writes as 1000 · major + 10 · minor.
    fn of_driver(number: c_int) -> Version {
        let number = number.max(0) as u32;
        Version::new(number / 1000, number % 1000 / 10)
    }

    /// The compute capability of `sm_80`, or of `sm_90a`.
    pub(super) fn of_target(target: &str) -> Option<Version> {
        let digits: String =
            target.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        let number: u32 = digits.parse().ok()?;
        Some(Version::new(number / 10, number % 10))
    }

    /// The first CUDA version that reads PTX of this ISA version (the release history in NVIDIA's "PTX ISA"); `None`
    /// where that is not known, so that the driver decides.
    pub(super) fn cuda_of_ptx(self) -> Option<Version> {
        match (self.major, self.minor) {
            (7, minor @ 0..=8) => Some(Version::new(11, minor)),
            (8, minor @ 0..=5) => Some(Version::new(12, minor)),
            (8, minor @ 6..=8) => Some(Version::new(12, minor + 1)),
            (9, minor) => Some(Version::new(13, minor)),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A driver that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Driver {
    /// The CUDA version that it supports.
    pub version: Version,
    /// How many cards it sees.
    pub cards: usize,
}

impl Driver {
    /// The driver, loaded and initialised on the first call.
    pub fn get() -> Result<Driver, CudaError> {
        static DRIVER: OnceLock<Result<Driver, CudaError>> = OnceLock::new();
        DRIVER.get_or_init(Driver::load).clone()
    }

    fn load() -> Result<Driver, CudaError> {
        let none = |(searched, reason)| CudaError::NoDriver { searched, reason };
        load(&["cuda", "nvcuda"], SYMBOLS).map_err(none)?;
        let mut version = 0;
        // SAFETY: `load` found the function; it writes the version, and needs no `cuInit`.
        check(unsafe { sys::cuDriverGetVersion(&mut version) }, || "cuDriverGetVersion".into())?;
        let version = Version::of_driver(version);
        // SAFETY: `load` found the function; 0 is the only flag there is.
        match unsafe { sys::cuInit(0) } {
            CUresult::CUDA_ERROR_NO_DEVICE => return Ok(Driver { version, cards: 0 }),
            CUresult::CUDA_ERROR_STUB_LIBRARY => {
                let reason = "it is the toolkit's stub, not a driver; take its folder off LD_LIBRARY_PATH".into();
                return Err(CudaError::NoDriver { searched: "libcuda".into(), reason });
            }
            result => check(result, || "cuInit".into())?,
        }
        let mut cards = 0;
        // SAFETY: the driver is initialised; the count is written.
        check(unsafe { sys::cuDeviceGetCount(&mut cards) }, || "cuDeviceGetCount".into())?;
        Ok(Driver { version, cards: cards.max(0) as usize })
    }
}

/// How many cards the driver sees; 0 where there is no driver.
pub fn count() -> usize {
    Driver::get().map_or(0, |driver| driver.cards)
}

/// What the driver says of a card.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub ordinal: usize,
    pub device: sys::CUdevice,
    pub name: String,
    pub capability: Version,
    /// Bytes of memory.
    pub memory: usize,
    /// Bytes of shared memory that a block can have.
    pub shared: usize,
}

impl Card {
    /// The card `ordinal`.
    pub fn get(driver: Driver, ordinal: usize) -> Result<Card, CudaError> {
        let missing = CudaError::NoDevice { ordinal, count: driver.cards };
        let Ok(number) = c_int::try_from(ordinal) else { return Err(missing) };
        if ordinal >= driver.cards {
            return Err(missing);
        }
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN as SHARED,
        };
        let (mut device, mut name, mut major, mut minor, mut shared) = (0, [0 as c_char; 128], 0, 0, 0);
        let mut memory = 0;
        // SAFETY: the driver is initialised and has a card of this number; each call writes the variable that it is
        // given, and the name's buffer is as long as it says.
        unsafe {
            check(sys::cuDeviceGet(&mut device, number), || format!("cuDeviceGet of {number}"))?;
            check(sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as c_int, device), || "cuDeviceGetName".into())?;
            check(sys::cuDeviceGetAttribute(&mut major, MAJOR, device), || "cuDeviceGetAttribute".into())?;
            check(sys::cuDeviceGetAttribute(&mut minor, MINOR, device), || "cuDeviceGetAttribute".into())?;
            check(sys::cuDeviceGetAttribute(&mut shared, SHARED, device), || "cuDeviceGetAttribute".into())?;
            check(sys::cuDeviceTotalMem_v2(&mut memory, device), || "cuDeviceTotalMem".into())?;
        }
        let name: Vec<u8> = name.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
        let name = String::from_utf8_lossy(&name).into_owned();
        let capability = Version::new(major.max(0) as u32, minor.max(0) as u32);
        Ok(Card { ordinal, device, name, capability, memory, shared: shared.max(0) as usize })
    }

    /// Whether kernels of this PTX version for this target run on the card with that driver.
    pub fn runs(&self, driver: Version, ptx: Version, target: &str) -> Result<(), CudaError> {
        if let Some(needed) = ptx.cuda_of_ptx().filter(|needed| *needed > driver) {
            return Err(ptx_too_new(driver, ptx, needed));
        }
        let too_old = |needed: String| {
            Err(CudaError::CardTooOld { name: self.name.clone(), found: self.capability.to_string(), needed })
        };
        let (needed, found) = match Version::of_target(target) {
            Some(needed) => (needed, self.capability),
            None => return Ok(()),
        };
        match target.chars().last() {
            // PTX with an architecture's own features runs there only, one with a family's only in that family
            // ("PTX ISA", `.target`).
            Some('a') if found != needed => too_old(format!("exactly {needed} ({target})")),
            Some('f') if found.major != needed.major => too_old(format!("{}.x ({target})", needed.major)),
            _ if found < needed => too_old(format!("{needed} or newer")),
            _ => Ok(()),
        }
    }
}

/// The error of PTX that needs a newer CUDA version than the driver's.
pub(super) fn ptx_too_new(driver: Version, ptx: Version, needed: Version) -> CudaError {
    CudaError::PtxTooNew { driver: driver.to_string(), ptx: ptx.to_string(), needed: needed.to_string() }
}

/// Opens the first library there is under the file names that cudarc tries for `names`, checks that it has all
/// `symbols`, and keeps it open for the life of the process.
///
/// # Errors
/// What was searched for, and the loader's reason.
pub(super) fn load(names: &[&str], symbols: &[&str]) -> Result<(), (String, String)> {
    let files: Vec<String> = names.iter().flat_map(|name| cudarc::get_lib_name_candidates(name)).collect();
    let first = files.first().cloned().unwrap_or_default();
    let mut reasons = Vec::new();
    for file in files {
        // SAFETY: what a library runs when it is loaded is the system's affair: these are NVIDIA's, by name.
        match unsafe { Library::new(&file) } {
            Ok(library) => {
                // SAFETY: the symbol is not called, only looked for.
                let has = |name: &&str| unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_ok();
                let missing = symbols.iter().copied().find(|name| !has(name));
                // cudarc opens it anew under the same name, so closing this handle could only unload it in between.
                std::mem::forget(library);
                return match missing {
                    None => Ok(()),
                    Some(name) => Err((file, format!("it has no function {name}: it is too old"))),
                };
            }
            Err(error) => reasons.push(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
        }
    }
    // Most names are simply not there; a library that is there and cannot be loaded is the better reason.
    let absent = |reason: &&String| reason.contains("No such file");
    let reason = reasons.iter().find(|r| !absent(r)).or_else(|| reasons.first()).cloned().unwrap_or_default();
    Err((format!("{first} and its versioned names"), reason))
}

/// `cuEventElapsedTime`.
pub(super) type ElapsedTime = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> CUresult;

/// The driver's `cuEventElapsedTime`. cudarc knows the `_v2` of CUDA 12.8, which older drivers do not have.
pub(super) fn elapsed_time() -> Result<ElapsedTime, CudaError> {
    static FOUND: OnceLock<Option<ElapsedTime>> = OnceLock::new();
    let find = || {
        let files = ["cuda", "nvcuda"].into_iter().flat_map(cudarc::get_lib_name_candidates);
        // SAFETY: the driver, which is loaded already.
        let library = files.filter_map(|file| unsafe { Library::new(file) }.ok()).next()?;
        // SAFETY: the type is that of `cuda.h`.
        let function = unsafe { library.get::<ElapsedTime>(b"cuEventElapsedTime") }.ok().map(|f| *f);
        std::mem::forget(library);
        function
    };
    let missing = || CudaError::NoDriver {
        searched: "libcuda".into(),
        reason: "it has no function cuEventElapsedTime, so that nothing can be timed".into(),
    };
    FOUND.get_or_init(find).ok_or_else(missing)
}

/// An error for a call that failed; `call` says what was called and for what.
pub(super) fn check(result: CUresult, call: impl FnOnce() -> String) -> Result<(), CudaError> {
    if result == CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let text = |get: unsafe fn(CUresult, *mut *const c_char) -> CUresult| {
        let mut text = std::ptr::null();
        // SAFETY: both functions write a pointer to a constant string, or null for a code that they do not know.
        let known = unsafe { get(result, &mut text) } == CUresult::CUDA_SUCCESS && !text.is_null();
        // SAFETY: as above; such strings live as long as the driver.
        known.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    Err(CudaError::Call {
        call: call(),
        name: text(sys::cuGetErrorName).unwrap_or_else(|| format!("CUDA error {}", result as u32)),
        message: text(sys::cuGetErrorString).unwrap_or_else(|| "the driver does not explain it".into()),
    })
}

/// A handle of the driver or of cuBLAS.
pub(super) struct Handle<T>(pub *mut T);

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Handle<T> {
        *self
    }
}

impl<T> Copy for Handle<T> {}

// SAFETY: a handle is a name for something that the library keeps, not memory that Rust reads; the driver may be called
// from any thread, and a cuBLAS handle is used under its device's turn only.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Handle<T> {}

/// While it lives, this thread may make calls (loading a module, taking memory) that the driver otherwise forbids
/// between the begin and the end of a capture, for fear that they wait for the stream.
pub(super) struct Relaxed(sys::CUstreamCaptureMode);

impl Relaxed {
    pub fn enter() -> Result<Relaxed, CudaError> {
        let mut mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the driver is loaded; it swaps the thread's mode with this one.
        let result = unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut mode) };
        check(result, || "cuThreadExchangeStreamCaptureMode".into())?;
        Ok(Relaxed(mode))
    }
}

impl Drop for Relaxed {
    fn drop(&mut self) {
        // SAFETY: as in `enter`; the mode is the one that it returned. There is nothing to do about a failure.
        let _ = unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut self.0) };
    }
}

/// Locks a mutex whose data no panic leaves half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(Version::of_driver(13000).to_string(), "13.0");
        assert_eq!(Version::of_driver(12080), Version::new(12, 8));
        for (target, expected) in
            [("sm_80", (8, 0)), ("sm_90a", (9, 0)), ("sm_103", (10, 3)), ("compute_120f", (12, 0))]
        {
            assert_eq!(Version::of_target(target), Some(Version::new(expected.0, expected.1)), "{target}");
        }
        assert_eq!(Version::of_target(""), None);
        for (ptx, cuda) in
            [((7, 8), (11, 8)), ((8, 5), (12, 5)), ((8, 7), (12, 8)), ((8, 8), (12, 9)), ((9, 0), (13, 0))]
        {
            assert_eq!(Version::new(ptx.0, ptx.1).cuda_of_ptx(), Some(Version::new(cuda.0, cuda.1)), "{ptx:?}");
        }
        assert_eq!(Version::new(10, 0).cuda_of_ptx(), None);
    }

    #[test]
    fn old_drivers_and_cards_are_named() {
        let capability = Version::new(7, 5);
        let card =
            Card { ordinal: 0, device: 0, name: "Tesla T4".into(), capability, memory: 1 << 34, shared: 64 << 10 };
        let ptx = Version::new(9, 0);
        assert!(card.runs(Version::new(13, 0), ptx, "sm_75").is_ok());
        let error = card.runs(Version::new(12, 8), ptx, "sm_75").unwrap_err().to_string();
        assert!(
            error.contains("supports CUDA 12.8") && error.contains("PTX ISA 9.0, which needs CUDA 13.0"),
            "{error}"
        );
        for (target, needed) in
            [("sm_80", "8.0 or newer"), ("sm_70a", "exactly 7.0 (sm_70a)"), ("sm_100f", "10.x (sm_100f)")]
        {
            let error = card.runs(Version::new(13, 1), ptx, target).unwrap_err().to_string();
            assert!(error.contains("Tesla T4 has compute capability 7.5"), "{error}");
            assert!(error.ends_with(&format!("the kernels of this binary need {needed}")), "{error}");
        }
        assert!(card.runs(Version::new(13, 1), ptx, "sm_75a").is_ok());
    }

    #[test]
    fn a_missing_library_or_function_is_an_error() {
        let (searched, reason) = load(&["no_such_library"], &[]).unwrap_err();
        assert!(searched.contains("no_such_library") && !reason.is_empty(), "{searched}: {reason}");
        if cfg!(target_os = "linux") {
            assert!(reason.contains("libno_such_library.so"), "{reason}");
        }
    }

    /// Every function of a library that is called in this folder is in its list of symbols, and no other.
    #[test]
    fn the_lists_of_symbols_are_complete() {
        let folder = crate::files::repository().join("src/device/cuda");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let sources: Vec<_> = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
        for (prefix, listed) in [
            ("sys::cu", SYMBOLS),
            ("blas::cublas", super::super::cublas::SYMBOLS),
            ("lt::cublasLt", super::super::lt::SYMBOLS),
        ] {
            let module = prefix.find("::").map_or(0, |at| at + 2);
            let mut called = std::collections::BTreeSet::new();
            for source in &sources {
                for (at, _) in source.match_indices(prefix) {
                    let name = &source[at + module..];
                    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                    let (name, rest) = name.split_at(end);
                    let is_function = name.chars().nth(prefix.len() - module).is_some_and(char::is_uppercase);
                    if is_function && (rest.starts_with('(') || rest.starts_with(')')) {
                        called.insert(name);
                    }
                }
            }
            assert_eq!(called, listed.iter().copied().collect(), "{prefix}");
        }
    }
}

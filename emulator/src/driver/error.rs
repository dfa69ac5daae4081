//! What a call answers: the driver's error codes, and the text that says what was wrong.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::mem::ManuallyDrop;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An error of the driver, with what is known beyond its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The code.
    pub code: Code,
    /// What was wrong; empty where the code says it all.
    pub text: String,
}

/// What a call returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error `code`, explained.
    pub fn new(code: Code, text: impl Into<String>) -> Error {
        Error { code, text: text.into() }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Error {
        Error { code, text: String::new() }
    }
}

/// `CUDA_ERROR_INVALID_VALUE` with what was invalid.
pub fn invalid<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::new(Code::INVALID_VALUE, text))
}

/// A `CUresult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Code(pub u32);

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)+) => {
        #[allow(missing_docs)] // the names are the driver's
        impl Code {
            pub const SUCCESS: Code = Code(0);
            $(pub const $name: Code = Code($code);)+
        }

        /// Code, name, explanation.
        const CODES: &[(u32, &CStr, &str)] = &[
            (0, c"CUDA_SUCCESS", "no error"),
            $(($code, {
                // The name is ASCII without a zero inside.
                const NAME: &[u8] = concat!("CUDA_ERROR_", stringify!($name), "\0").as_bytes();
                match CStr::from_bytes_with_nul(NAME) {
                    Ok(name) => name,
                    Err(_) => c"",
                }
            }, $text),)+
        ];
    };
}

codes! {
    INVALID_VALUE = 1, "invalid argument";
    OUT_OF_MEMORY = 2, "out of memory";
    NOT_INITIALIZED = 3, "initialization error";
    DEINITIALIZED = 4, "driver shutting down";
    PROFILER_DISABLED = 5, "profiler disabled while using external profiling tool";
    STUB_LIBRARY = 34, "CUDA driver is a stub library";
    DEVICE_UNAVAILABLE = 46, "CUDA-capable device is busy or unavailable";
    NO_DEVICE = 100, "no CUDA-capable device is detected";
    INVALID_DEVICE = 101, "invalid device ordinal";
    INVALID_IMAGE = 200, "device kernel image is invalid";
    INVALID_CONTEXT = 201, "invalid device context";
    NO_BINARY_FOR_GPU = 209, "no kernel image is available for execution on the device";
    UNSUPPORTED_LIMIT = 215, "limit is not supported on this architecture";
    PEER_ACCESS_UNSUPPORTED = 217, "peer access is not supported between these two devices";
    INVALID_PTX = 218, "a PTX JIT compilation failed";
    UNSUPPORTED_PTX_VERSION = 222, "the provided PTX was compiled with an unsupported toolchain";
    INVALID_SOURCE = 300, "device kernel image is invalid";
    FILE_NOT_FOUND = 301, "file not found";
    SHARED_OBJECT_SYMBOL_NOT_FOUND = 302, "shared object symbol not found";
    OPERATING_SYSTEM = 304, "OS call failed or operation not supported on this OS";
    INVALID_HANDLE = 400, "invalid resource handle";
    ILLEGAL_STATE = 401, "the operation cannot be performed in the present state";
    NOT_FOUND = 500, "named symbol not found";
    NOT_READY = 600, "device not ready";
    ILLEGAL_ADDRESS = 700, "an illegal memory access was encountered";
    LAUNCH_OUT_OF_RESOURCES = 701, "too many resources requested for launch";
    LAUNCH_TIMEOUT = 702, "the launch timed out and was terminated";
    PEER_ACCESS_ALREADY_ENABLED = 704, "peer access is already enabled";
    PEER_ACCESS_NOT_ENABLED = 705, "peer access has not been enabled";
    PRIMARY_CONTEXT_ACTIVE = 708, "cannot set while device is active in this process";
    CONTEXT_IS_DESTROYED = 709, "context is destroyed";
    ASSERT = 710, "device-side assert triggered";
    HOST_MEMORY_ALREADY_REGISTERED = 712, "part or all of the requested memory range is already mapped";
    HOST_MEMORY_NOT_REGISTERED = 713, "pointer does not correspond to a registered memory region";
    ILLEGAL_INSTRUCTION = 715, "an illegal instruction was encountered";
    MISALIGNED_ADDRESS = 716, "misaligned address";
    LAUNCH_FAILED = 719, "unspecified launch failure";
    COOPERATIVE_LAUNCH_TOO_LARGE = 720, "too many blocks in cooperative launch";
    NOT_PERMITTED = 800, "operation not permitted";
    NOT_SUPPORTED = 801, "operation not supported";
    STREAM_CAPTURE_UNSUPPORTED = 900, "operation not permitted when stream is capturing";
    STREAM_CAPTURE_INVALIDATED = 901, "operation failed due to a previous error during capture";
    STREAM_CAPTURE_MERGE = 902, "operation would result in a merge of separate capture sequences";
    STREAM_CAPTURE_UNMATCHED = 903, "capture was not ended in the same stream as it began";
    STREAM_CAPTURE_UNJOINED = 904, "capturing stream has unjoined work";
    STREAM_CAPTURE_ISOLATION = 905, "dependency created on uncaptured work in another stream";
    STREAM_CAPTURE_IMPLICIT = 906, "operation would make the legacy stream depend on a capturing blocking stream";
    CAPTURED_EVENT = 907, "operation not permitted on an event last recorded in a capturing stream";
    STREAM_CAPTURE_WRONG_THREAD = 908, "attempt to terminate a thread-local capture sequence from another thread";
    GRAPH_EXEC_UPDATE_FAILURE = 910, "the graph update was not performed because it included changes which violated \
        constraints specific to instantiated graph update";
    INVALID_CLUSTER_SIZE = 912, "cluster size too large";
    UNKNOWN = 999, "unknown error";
}

impl Code {
    /// Its name, or `None` for a code that the driver does not have.
    pub fn name(self) -> Option<&'static CStr> {
        CODES.iter().find(|c| c.0 == self.0).map(|c| c.1)
    }

    /// Its explanation: the standard one, and behind it what this thread's last call that answered it knew besides.
    pub fn explanation(self) -> Option<*const c_char> {
        let standard = CODES.iter().find(|c| c.0 == self.0)?.2;
        Some(explain(standard, |last| last == self))
    }
}

/// `standard`, and behind it the text of this thread's last error, where that is `of` the kind asked for.
pub fn explain(standard: &str, of: impl FnOnce(Code) -> bool) -> *const c_char {
    static TEXTS: Mutex<Option<HashMap<String, CString>>> = Mutex::new(None);
    let known = LAST.with_borrow(|last| last.as_ref().filter(|e| of(e.code)).map(|e| e.text.clone()));
    let text = match known.filter(|known| !known.is_empty()) {
        Some(known) => format!("{standard}: {known}"),
        None => standard.to_owned(),
    };
    let mut texts = lock(&TEXTS);
    // Callers keep the pointer for as long as they like, so that no text is ever dropped.
    let kept = texts
        .get_or_insert_default()
        .entry(text)
        .or_insert_with_key(|text| CString::new(text.replace('\0', " ")).unwrap_or_default());
    kept.as_ptr()
}

thread_local! {
    /// The error of this thread's last call that failed. Never dropped, since the destructors of a thread's other values may
    /// call the driver.
    static LAST: RefCell<ManuallyDrop<Option<Error>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    /// Whether this thread is in a host function of a stream, which may not call the driver.
    static IN_HOST_FUNCTION: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs what a call does: catches panics, and keeps the text of an error for `cuGetErrorString`.
pub fn answer(name: &str, call: impl FnOnce() -> Result) -> Result<(), Code> {
    let result = if IN_HOST_FUNCTION.get() {
        Err(Error::new(Code::NOT_PERMITTED, format!("{name} was called from a host function of a stream")))
    } else {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
            .unwrap_or_else(|panic| Err(Error::new(Code::UNKNOWN, format!("{name} panicked: {}", message(&*panic)))))
    };
    result.map_err(|error| {
        let code = error.code;
        LAST.with_borrow_mut(|last| **last = Some(error));
        code
    })
}

/// What a panic said.
pub fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for an unknown reason")
}

/// Runs a host function, during which the driver may not be called.
pub fn in_host_function(work: impl FnOnce()) {
    IN_HOST_FUNCTION.set(true);
    work();
    IN_HOST_FUNCTION.set(false);
}

/// Locks a mutex whose data no panic leaves half changed.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes `value` where a caller wants it.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for a null pointer.
///
/// # Safety
/// `to` is null or may be written.
pub unsafe fn put<T>(to: *mut T, value: T) -> Result {
    if to.is_null() {
        return invalid("a null pointer where the call writes its result");
    }
    // SAFETY: not null, and the caller promises that it may be written.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// What a caller's pointer describes.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for a null pointer.
///
/// # Safety
/// `from` is null or points to one.
pub unsafe fn read<T: Copy>(from: *const T) -> Result<T> {
    if from.is_null() {
        return invalid("a null pointer where the call reads its parameters");
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { from.read_unaligned() })
}

/// The text that a caller's pointer names.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for a null pointer.
///
/// # Safety
/// `from` is null or a string that ends in a zero.
pub unsafe fn text<'a>(from: *const c_char) -> Result<std::borrow::Cow<'a, str>> {
    if from.is_null() {
        return invalid("a null pointer where the call wants a name");
    }
    // SAFETY: not null, and the caller promises that it is a string.
    Ok(unsafe { CStr::from_ptr(from) }.to_string_lossy())
}

//! What cuBLAS answers.

use crate::driver::error::{Code, Error, Result, answer, explain};
use std::ffi::{CStr, c_char};

/// Number, name, explanation.
const STATUSES: [(u32, &CStr, &str); 10] = [
    (0, c"CUBLAS_STATUS_SUCCESS", "success"),
    (1, c"CUBLAS_STATUS_NOT_INITIALIZED", "the library was not initialized"),
    (3, c"CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"),
    (7, c"CUBLAS_STATUS_INVALID_VALUE", "an unsupported value or parameter was passed to the function"),
    (8, c"CUBLAS_STATUS_ARCH_MISMATCH", "the function requires an architectural feature absent from the device"),
    (11, c"CUBLAS_STATUS_MAPPING_ERROR", "an access to GPU memory space failed"),
    (13, c"CUBLAS_STATUS_EXECUTION_FAILED", "the function failed to launch on the GPU"),
    (14, c"CUBLAS_STATUS_INTERNAL_ERROR", "an internal operation failed"),
    (15, c"CUBLAS_STATUS_NOT_SUPPORTED", "the functionality requested is not supported"),
    (16, c"CUBLAS_STATUS_LICENSE_ERROR", "the functionality requested requires some license"),
];

/// The status that stands for an error of the driver.
fn of(code: Code) -> u32 {
    match code {
        Code::INVALID_VALUE => 7,
        Code::NOT_INITIALIZED | Code::INVALID_CONTEXT | Code::INVALID_HANDLE => 1,
        Code::OUT_OF_MEMORY => 3,
        Code::NOT_SUPPORTED => 15,
        _ => 13,
    }
}

/// What a call answers.
pub fn status(name: &str, call: impl FnOnce() -> Result) -> u32 {
    answer(name, call).map_or_else(of, |()| 0)
}

/// `CUBLAS_STATUS_NOT_SUPPORTED`, explained.
pub fn unsupported<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::new(Code::NOT_SUPPORTED, text))
}

/// The name of a status.
pub fn name(status: u32) -> *const c_char {
    STATUSES.iter().find(|s| s.0 == status).map_or(c"CUBLAS_STATUS_UNKNOWN", |s| s.1).as_ptr()
}

/// The explanation of a status, with what is known of this thread's last call that answered it.
pub fn explanation(status: u32) -> *const c_char {
    match STATUSES.iter().find(|s| s.0 == status) {
        Some((_, _, text)) => explain(text, |code| status != 0 && of(code) == status),
        None => c"unknown status".as_ptr(),
    }
}

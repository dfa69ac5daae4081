//! Handles of cuBLAS: the stream and the modes of the calls.

use crate::driver::context;
use crate::driver::error::{Code, Error, Result, invalid, lock, put};
use crate::driver::handle::{Handles, Raw};
use crate::driver::stream::{self, Stream};
use std::ffi::c_int;
use std::sync::{Arc, Mutex};

/// The version of the library that this one answers for: 13.0.0.
const VERSION: [c_int; 3] = [13, 0, 0];

/// A handle.
#[derive(Debug)]
pub struct Handle(Mutex<Modes>);

/// What calls are made with.
#[derive(Clone, Copy, Debug, Default)]
struct Modes {
    /// The stream's handle, as a number.
    stream: usize,
    math: u32,
    pointers: u32,
    atomics: u32,
    multiprocessors: c_int,
}

static HANDLES: Handles<Handle> = Handles::new("a handle of cuBLAS");

/// The handle, or `CUBLAS_STATUS_NOT_INITIALIZED`.
pub fn get(handle: Raw) -> Result<Arc<Handle>> {
    HANDLES.get(handle).map_err(|error| Error { code: Code::NOT_INITIALIZED, ..error })
}

impl Handle {
    /// Where its work goes.
    pub fn stream(&self) -> Result<Arc<Stream>> {
        stream::get(std::ptr::without_provenance_mut(lock(&self.0).stream))
    }

    /// Whether α, β and results are on the device.
    pub fn on_device(&self) -> bool {
        lock(&self.0).pointers == 1
    }

    /// Whether f32 factors may be rounded to TF32.
    pub fn tf32(&self) -> bool {
        lock(&self.0).math & 0xf == 3
    }
}

pub unsafe fn create(handle: *mut Raw) -> Result {
    context::current()?;
    // SAFETY: the caller's promise.
    unsafe { put(handle, HANDLES.add(|_| Handle(Mutex::default())).0) }
}

pub unsafe fn destroy(handle: Raw) -> Result {
    get(handle)?;
    HANDLES.remove(handle).map(|_| ())
}

pub unsafe fn version(handle: Raw, version: *mut c_int) -> Result {
    get(handle)?;
    let [major, minor, patch] = VERSION;
    // SAFETY: the caller's promise.
    unsafe { put(version, major * 10_000 + minor * 100 + patch) }
}

pub unsafe fn property(kind: u32, value: *mut c_int) -> Result {
    match VERSION.get(kind as usize) {
        // SAFETY: the caller's promise.
        Some(&part) => unsafe { put(value, part) },
        None => invalid(format!("there is no property {kind}")),
    }
}

macro_rules! modes {
    ($($set:ident, $get:ident, $field:ident: $ty:ty, $most:expr;)+) => {$(
        pub unsafe fn $set(handle: Raw, value: $ty) -> Result {
            if value > $most {
                return invalid(format!("{value} for a mode of cuBLAS"));
            }
            lock(&get(handle)?.0).$field = value;
            Ok(())
        }

        pub unsafe fn $get(handle: Raw, value: *mut $ty) -> Result {
            let is = lock(&get(handle)?.0).$field;
            // SAFETY: the caller's promise.
            unsafe { put(value, is) }
        }
    )+};
}
modes! {
    set_math, get_math, math: u32, 0x1f;
    set_pointers, get_pointers, pointers: u32, 1;
    set_atomics, get_atomics, atomics: u32, 1;
    set_multiprocessors, get_multiprocessors, multiprocessors: c_int, c_int::MAX;
}

pub unsafe fn set_stream(handle: Raw, stream: Raw) -> Result {
    stream::get(stream)?;
    lock(&get(handle)?.0).stream = stream.addr();
    Ok(())
}

pub unsafe fn get_stream(handle: Raw, stream: *mut Raw) -> Result {
    let is = lock(&get(handle)?.0).stream;
    // SAFETY: the caller's promise.
    unsafe { put(stream, std::ptr::without_provenance_mut(is)) }
}

/// Products need no workspace.
pub unsafe fn set_workspace(handle: Raw, workspace: Raw, bytes: usize) -> Result {
    get(handle)?;
    if bytes > 0 && !workspace.addr().is_multiple_of(256) {
        return invalid("a workspace at an address that is no multiple of 256");
    }
    Ok(())
}

//! Where a program begins: `cuInit`, and functions by their names.

use super::device;
use super::error::{Code, Error, Result, invalid, put, text};
use super::handle::Raw;
use super::{exports, memory, unsupported};
use std::ffi::{c_char, c_int};

/// The CUDA version from which the name without a suffix means the one with it; others mean theirs from 3.2 on.
const SINCE: &[(&str, c_int)] = &[
    ("cuCtxCreate_v3", 11_040),
    ("cuCtxCreate_v4", 12_050),
    ("cuDeviceGetUuid_v2", 11_040),
    ("cuDevicePrimaryCtxRelease_v2", 11_000),
    ("cuDevicePrimaryCtxReset_v2", 11_000),
    ("cuDevicePrimaryCtxSetFlags_v2", 11_000),
    ("cuEventElapsedTime_v2", 12_080),
    ("cuGetProcAddress_v2", 12_000),
    ("cuGraphAddDependencies_v2", 12_030),
    ("cuGraphAddKernelNode_v2", 12_000),
    ("cuGraphExecKernelNodeSetParams_v2", 12_000),
    ("cuGraphExecUpdate_v2", 12_000),
    ("cuGraphGetEdges_v2", 12_030),
    ("cuGraphInstantiate_v2", 11_000),
    ("cuGraphKernelNodeGetParams_v2", 12_000),
    ("cuGraphKernelNodeSetParams_v2", 12_000),
    ("cuGraphNodeGetDependencies_v2", 12_030),
    ("cuGraphNodeGetDependentNodes_v2", 12_030),
    ("cuGraphRemoveDependencies_v2", 12_030),
    ("cuStreamBeginCapture_v2", 10_010),
    ("cuStreamGetCaptureInfo_v2", 11_030),
    ("cuStreamGetCaptureInfo_v3", 12_030),
    ("cuStreamUpdateCaptureDependencies_v2", 12_030),
    ("cuCtxGetDevice_v2", 13_000),
    ("cuCtxSynchronize_v2", 13_000),
];

/// The function that `name` means to a program of the CUDA version.
fn find(name: &str, version: c_int) -> Option<usize> {
    let exported = |name: &str| exports::address(name).or_else(|| unsupported::address(name));
    if name == "cuGraphInstantiate" && version >= 12_000 {
        return exported("cuGraphInstantiateWithFlags");
    }
    // These two keep their names; the ones with the suffix take a context.
    let apart = matches!(name, "cuCtxGetDevice" | "cuCtxSynchronize");
    for suffix in ["_v4", "_v3", "_v2"] {
        let newer = format!("{name}{suffix}");
        let since = SINCE.iter().find(|s| s.0 == newer).map_or(3020, |s| s.1);
        if version >= since
            && !apart
            && let Some(found) = exported(&newer)
        {
            return Some(found);
        }
    }
    exported(name)
}

pub unsafe fn get_v2(name: *const c_char, to: *mut Raw, version: c_int, _flags: u64, status: *mut u32) -> Result {
    // SAFETY: the caller's promise; the status may be null.
    unsafe {
        let name = text(name)?;
        if version > device::VERSION {
            return invalid(format!("CUDA version {version} of a driver of {}", device::VERSION));
        }
        let found = find(&name, version);
        if !status.is_null() {
            put(status, u32::from(found.is_none()))?;
        }
        put(to, found.map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut))?;
        // With a status to say it, a missing function is no error.
        if found.is_none() && status.is_null() {
            return Err(Error::new(Code::NOT_FOUND, format!("no function {name}")));
        }
    }
    Ok(())
}

pub unsafe fn get(name: *const c_char, to: *mut Raw, version: c_int, flags: u64) -> Result {
    // SAFETY: the caller's promise.
    unsafe { get_v2(name, to, version, flags, std::ptr::null_mut()) }
}

pub unsafe fn init(flags: u32) -> Result {
    if flags != 0 {
        return invalid("cuInit takes no flags");
    }
    if device::all().is_empty() {
        return Err(Code::NO_DEVICE.into());
    }
    if device::initialize() {
        memory::report_leaks_at_exit();
    }
    Ok(())
}

pub unsafe fn nothing() -> Result {
    device::initialized()
}

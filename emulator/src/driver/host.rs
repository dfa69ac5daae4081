//! Page-locked memory of the host: which the device reads and writes when its work runs, while what is pageable is
//! copied at the call.

use super::capture;
use super::context;
use super::error::{Code, Error, Result, invalid, lock, put};
use super::handle::Raw;
use super::timeline;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Clone, Copy, Debug)]
struct Region {
    bytes: usize,
    flags: u32,
    /// Whether it was allocated here, and is freed here.
    own: bool,
}

static REGIONS: Mutex<BTreeMap<usize, Region>> = Mutex::new(BTreeMap::new());
const PAGE: usize = 4096;

/// The page-locked region that holds these bytes: its start and its size.
pub fn region(start: usize, bytes: usize) -> Option<(usize, usize)> {
    let regions = lock(&REGIONS);
    let (&base, region) = regions.range(..=start).next_back()?;
    (start - base).checked_add(bytes).filter(|&end| end <= region.bytes)?;
    Some((base, region.bytes))
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, PAGE).ok()
}

pub unsafe fn allocate(pointer: *mut Raw, bytes: usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { allocate_with_flags(pointer, bytes, 0) }
}

pub unsafe fn allocate_with_flags(pointer: *mut Raw, bytes: usize, flags: u32) -> Result {
    context::current()?;
    capture::refuse_unsafe("cuMemHostAlloc")?;
    if pointer.is_null() || bytes == 0 || flags > 7 {
        return invalid(format!("{bytes} bytes with the flags {flags:#x}, to {pointer:p}"));
    }
    let Some(layout) = layout(bytes) else { return Err(Code::OUT_OF_MEMORY.into()) };
    // SAFETY: the size is not 0.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        return Err(Code::OUT_OF_MEMORY.into());
    }
    lock(&REGIONS).insert(memory.addr(), Region { bytes, flags, own: true });
    // SAFETY: the caller's promise.
    unsafe { put(pointer, memory.cast()) }
}

/// Waits for everything first, as the driver does: queued work may use it.
pub unsafe fn free(pointer: Raw) -> Result {
    context::current_or_none()?;
    capture::refuse_unsafe("cuMemFreeHost")?;
    timeline::finish_all();
    let mut regions = lock(&REGIONS);
    let region = regions.get(&pointer.addr()).copied().filter(|r| r.own);
    let Some(layout) = region.and_then(|r| layout(r.bytes)) else {
        return invalid(format!("{pointer:p} does not come from cuMemHostAlloc"));
    };
    regions.remove(&pointer.addr());
    // SAFETY: it was allocated with this layout and is known no more.
    unsafe { dealloc(pointer.cast(), layout) };
    Ok(())
}

pub unsafe fn register(pointer: Raw, bytes: usize, flags: u32) -> Result {
    context::current()?;
    capture::refuse_unsafe("cuMemHostRegister")?;
    let start = pointer.addr();
    let Some(end) = start.checked_add(bytes).filter(|_| !pointer.is_null() && bytes > 0 && flags <= 15) else {
        return invalid(format!("{bytes} bytes at {pointer:p} with the flags {flags:#x}"));
    };
    let mut regions = lock(&REGIONS);
    let before = regions.range(..end).next_back();
    if before.is_some_and(|(&base, region)| base + region.bytes > start) {
        return Err(Code::HOST_MEMORY_ALREADY_REGISTERED.into());
    }
    regions.insert(start, Region { bytes, flags, own: false });
    Ok(())
}

pub unsafe fn unregister(pointer: Raw) -> Result {
    context::current()?;
    timeline::finish_all();
    let mut regions = lock(&REGIONS);
    if regions.get(&pointer.addr()).is_none_or(|region| region.own) {
        return Err(Code::HOST_MEMORY_NOT_REGISTERED.into());
    }
    regions.remove(&pointer.addr());
    Ok(())
}

pub unsafe fn get_flags(flags: *mut u32, pointer: Raw) -> Result {
    context::current()?;
    let found = lock(&REGIONS).get(&pointer.addr()).map(|region| region.flags);
    match found {
        // SAFETY: the caller's promise.
        Some(found) => unsafe { put(flags, found) },
        None => invalid(format!("{pointer:p} is no page-locked memory")),
    }
}

pub unsafe fn device_pointer(_to: *mut u64, _pointer: Raw, _flags: u32) -> Result {
    context::current()?;
    Err(Error::new(Code::NOT_SUPPORTED, "kernels of the emulator do not see host memory"))
}

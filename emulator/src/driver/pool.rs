//! Pools of memory for stream-ordered allocation.
//!
//! A pool is an account: no address is used twice, so that nothing is really kept for the next allocation. What it says
//! of itself is what the driver's pool would: memory that is let go stays reserved until a wait, and then the release
//! threshold's worth of it.

use super::device::{self, Device};
use super::error::{Code, Error, Result, invalid, lock, put, read};
use super::handle::{Handles, Raw};
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::{Arc, Mutex};

/// A pool.
#[derive(Debug)]
pub struct Pool {
    /// Its device.
    pub device: &'static Device,
    /// Its handle.
    pub handle: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What may be reused, by attribute: all allowed at first. It changes nothing here.
    reuse: [Option<c_int>; 3],
    threshold: u64,
    used: u64,
    used_high: u64,
    reserved: u64,
    reserved_high: u64,
}

static POOLS: Handles<Pool> = Handles::new("a memory pool");
/// The default pool of each device, and the one that it takes from.
static OF_DEVICE: Mutex<Vec<(Arc<Pool>, Arc<Pool>)>> = Mutex::new(Vec::new());
/// Which pool an allocation came from.
static OF_ADDRESS: Mutex<Option<HashMap<u64, Arc<Pool>>>> = Mutex::new(None);

fn create(device: &'static Device) -> Arc<Pool> {
    POOLS.add(|handle| Pool { device, handle, state: Mutex::default() }).1
}

/// What a pool reserves memory in.
const CHUNK: u64 = 2 << 20;

impl Pool {
    /// Counts an allocation.
    pub fn took(self: &Arc<Pool>, address: u64, bytes: usize) {
        lock(&OF_ADDRESS).get_or_insert_default().insert(address, self.clone());
        let mut state = lock(&self.state);
        state.used += bytes as u64;
        state.used_high = state.used_high.max(state.used);
        state.reserved = state.reserved.max(state.used.next_multiple_of(CHUNK));
        state.reserved_high = state.reserved_high.max(state.reserved);
    }

    fn trim(&self, keep: u64) {
        let mut state = lock(&self.state);
        // The threshold that keeps everything is the largest number.
        let keep = keep.checked_next_multiple_of(CHUNK).unwrap_or(u64::MAX);
        state.reserved = state.reserved.min(keep.max(state.used.next_multiple_of(CHUNK)));
    }
}

/// Counts what was freed, if a pool had it.
pub fn gave_back(address: u64, bytes: usize) {
    let pool = lock(&OF_ADDRESS).as_mut().and_then(|all| all.remove(&address));
    if let Some(pool) = pool {
        let mut state = lock(&pool.state);
        state.used = state.used.saturating_sub(bytes as u64);
    }
}

/// The pool that an allocation came from.
pub fn of_address(address: u64) -> Option<Arc<Pool>> {
    lock(&OF_ADDRESS).as_ref()?.get(&address).cloned()
}

/// Has the pools of a device give back what is beyond their thresholds, as a wait does.
pub fn trim_after_wait(device: &Device) {
    for pool in POOLS.all() {
        if pool.device.number == device.number {
            let threshold = lock(&pool.state).threshold;
            pool.trim(threshold);
        }
    }
}

/// The default pool of a device, and the one that it takes from.
pub fn of_device(device: &Device) -> (Arc<Pool>, Arc<Pool>) {
    let mut all = lock(&OF_DEVICE);
    if all.is_empty() {
        *all = device::all().iter().map(create).map(|pool| (pool.clone(), pool)).collect();
    }
    all[device.number].clone()
}

/// The pool of a handle.
///
/// # Errors
/// An unknown handle.
pub fn get(pool: Raw) -> Result<Arc<Pool>> {
    POOLS.get(pool)
}

fn raw(pool: &Pool) -> Raw {
    std::ptr::without_provenance_mut(pool.handle)
}

pub unsafe fn default_of(pool: *mut Raw, device: c_int) -> Result {
    let device = device::get(device)?;
    // SAFETY: the caller's promise.
    unsafe { put(pool, raw(&of_device(device).0)) }
}

pub unsafe fn current_of(pool: *mut Raw, device: c_int) -> Result {
    let device = device::get(device)?;
    // SAFETY: the caller's promise.
    unsafe { put(pool, raw(&of_device(device).1)) }
}

pub unsafe fn set_current_of(device: c_int, pool: Raw) -> Result {
    let (device, pool) = (device::get(device)?, get(pool)?);
    if pool.device.number != device.number {
        return invalid("the pool belongs to another device");
    }
    of_device(device);
    lock(&OF_DEVICE)[device.number].1 = pool;
    Ok(())
}

/// `CUmemPoolProps`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Properties {
    kind: u32,
    handle_types: u32,
    location: u32,
    device: c_int,
    security: Raw,
    max: usize,
    usage: u16,
    reserved: [u8; 54],
}

pub unsafe fn create_handle(pool: *mut Raw, properties: *const Properties) -> Result {
    // SAFETY: the caller's promise.
    let properties = unsafe { read(properties) }?;
    if properties.location != 1 || properties.handle_types != 0 {
        return Err(Error::new(Code::NOT_SUPPORTED, "a pool elsewhere than on a device, or that is shared"));
    }
    let made = create(device::get(properties.device)?);
    // SAFETY: the caller's promise.
    unsafe { put(pool, raw(&made)) }
}

pub unsafe fn destroy(pool: Raw) -> Result {
    let pool_of = get(pool)?;
    let mut all = lock(&OF_DEVICE);
    for (default, current) in all.iter_mut() {
        if Arc::ptr_eq(default, &pool_of) {
            return invalid("a default pool is not destroyed");
        }
        if Arc::ptr_eq(current, &pool_of) {
            *current = default.clone();
        }
    }
    POOLS.remove(pool).map(|_| ())
}

pub unsafe fn trim_to(pool: Raw, keep: usize) -> Result {
    get(pool)?.trim(keep as u64);
    Ok(())
}

pub unsafe fn set_attribute(pool: Raw, attribute: u32, value: Raw) -> Result {
    let pool = get(pool)?;
    if value.is_null() {
        return invalid("a null pointer for the attribute's value");
    }
    let mut state = lock(&pool.state);
    // SAFETY: not null; the caller promises a value of the attribute's type.
    unsafe {
        match attribute {
            1..=3 => state.reuse[attribute as usize - 1] = Some(value.cast::<c_int>().read()),
            4 => state.threshold = value.cast::<u64>().read(),
            6 | 8 if value.cast::<u64>().read() != 0 => return invalid("a high watermark is only set to 0"),
            6 => state.reserved_high = state.reserved,
            8 => state.used_high = state.used,
            _ => return invalid(format!("the attribute {attribute} of a pool cannot be set")),
        }
    }
    Ok(())
}

pub unsafe fn get_attribute(pool: Raw, attribute: u32, value: Raw) -> Result {
    let pool = get(pool)?;
    let state = lock(&pool.state);
    let number = match attribute {
        // SAFETY: the caller promises room for an int.
        1..=3 => return unsafe { put(value.cast(), state.reuse[attribute as usize - 1].unwrap_or(1)) },
        4 => state.threshold,
        5 => state.reserved,
        6 => state.reserved_high,
        7 => state.used,
        8 => state.used_high,
        _ => return invalid(format!("a pool has no attribute {attribute}")),
    };
    // SAFETY: the caller promises room for 64 bits.
    unsafe { put(value.cast(), number) }
}

pub unsafe fn set_access(pool: Raw, _access: Raw, _count: usize) -> Result {
    get(pool).map(|_| ())
}

pub unsafe fn get_access(flags: *mut u32, pool: Raw, location: *const [c_int; 2]) -> Result {
    let pool = get(pool)?;
    // SAFETY: the caller's promise.
    let [kind, device] = unsafe { read(location) }?;
    let own = kind == 1 && device == pool.device.number as c_int;
    // SAFETY: as above.
    unsafe { put(flags, if own { 3 } else { 0 }) }
}

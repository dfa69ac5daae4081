//! Contexts: whose a thread's calls are, and what went wrong in them.

use super::device::{self, Device};
use super::error::{Code, Error, Result, invalid, lock, put};
use super::handle::{Handles, Raw};
use super::timeline::{self, Owner};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A context.
#[derive(Debug)]
pub struct Context {
    /// Its number, which no other context of the process has.
    pub number: u64,
    /// Its handle.
    pub handle: usize,
    /// Its device.
    pub device: &'static Device,
    flags: AtomicU32,
    primary: bool,
    destroyed: AtomicBool,
    /// The first error of its work, which every later call returns.
    fault: Mutex<Option<Error>>,
    limits: Mutex<HashMap<u32, usize>>,
    /// Its allocations, by address, and which call made each.
    pub allocations: Mutex<HashMap<u64, &'static str>>,
}

/// All contexts.
static CONTEXTS: Handles<Context> = Handles::new("a context");
/// The primary context of each device, and how often it is retained.
static PRIMARY: Mutex<Vec<Primary>> = Mutex::new(Vec::new());

#[derive(Debug, Default)]
struct Primary {
    context: Option<Arc<Context>>,
    retained: usize,
    flags: u32,
}

thread_local! {
    /// Never dropped, since the destructors of a thread's other values may call the driver.
    static STACK: RefCell<ManuallyDrop<Vec<Arc<Context>>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

impl Context {
    fn create(device: &'static Device, flags: u32, primary: bool) -> Arc<Context> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let make = |handle| Context {
            number: NEXT.fetch_add(1, Relaxed),
            handle,
            device,
            flags: AtomicU32::new(flags),
            primary,
            destroyed: AtomicBool::new(false),
            fault: Mutex::new(None),
            limits: Mutex::new(HashMap::new()),
            allocations: Mutex::new(HashMap::new()),
        };
        CONTEXTS.add(make).1
    }

    /// Its handle, as callers hold it.
    pub fn raw(&self) -> Raw {
        std::ptr::without_provenance_mut(self.handle)
    }

    /// Whether it may be used.
    ///
    /// # Errors
    /// A context that was destroyed, or whose work failed.
    pub fn usable(&self) -> Result {
        if self.destroyed.load(Relaxed) {
            return Err(Code::CONTEXT_IS_DESTROYED.into());
        }
        self.fault()
    }

    /// Waits for all its work.
    ///
    /// # Errors
    /// What went wrong.
    pub fn synchronize(&self) -> Result {
        timeline::finish_context(self.number);
        self.fault()
    }

    fn destroy(self: &Arc<Context>) {
        if !self.destroyed.swap(true, Relaxed) {
            timeline::finish_context(self.number);
            for address in std::mem::take(&mut *lock(&self.allocations)).into_keys() {
                self.device.global.free(address);
            }
        }
    }
}

impl Owner for Context {
    /// # Errors
    /// What went wrong, for ever.
    fn fault(&self) -> Result {
        lock(&self.fault).clone().map_or(Ok(()), Err)
    }

    /// Keeps the first error, and prints it.
    fn fail(&self, error: Error) {
        let mut fault = lock(&self.fault);
        if fault.is_none() {
            let name = error.code.name().map(|n| n.to_string_lossy()).unwrap_or_default();
            eprintln!("CUDA emulator: {name}: {}", error.text);
            *fault = Some(error);
        }
    }
}

/// This thread's context.
///
/// # Errors
/// Where there is none, or it was destroyed, or its work failed.
pub fn current() -> Result<Arc<Context>> {
    let context = current_or_none()?.ok_or_else(|| {
        Error::new(Code::INVALID_CONTEXT, "this thread has no current context (cuCtxSetCurrent makes one current)")
    })?;
    context.usable().map(|()| context)
}

/// This thread's context in whatever state, if there is one.
///
/// # Errors
/// `CUDA_ERROR_NOT_INITIALIZED`.
pub fn current_or_none() -> Result<Option<Arc<Context>>> {
    device::initialized()?;
    Ok(STACK.with_borrow(|stack| stack.last().cloned()))
}

/// All contexts that there are.
pub fn all() -> Vec<Arc<Context>> {
    CONTEXTS.all()
}

/// The context of a handle; of a null one, this thread's.
///
/// # Errors
/// An unknown handle.
pub fn of(handle: Raw) -> Result<Arc<Context>> {
    if handle.is_null() { current() } else { get(handle) }
}

/// The context of a handle.
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub fn get(handle: Raw) -> Result<Arc<Context>> {
    device::initialized()?;
    CONTEXTS.get(handle).map_err(|error| Error { code: Code::INVALID_CONTEXT, ..error })
}

pub unsafe fn primary_retain(context: *mut Raw, device: c_int) -> Result {
    let device = device::get(device)?;
    let mut all = lock(&PRIMARY);
    all.resize_with(device::all().len(), Primary::default);
    let primary = &mut all[device.number];
    let kept = primary.context.get_or_insert_with(|| Context::create(device, primary.flags, true)).clone();
    primary.retained += 1;
    // SAFETY: the caller's promise.
    unsafe { put(context, kept.raw()) }
}

pub unsafe fn primary_release(device: c_int) -> Result {
    let device = device::get(device)?;
    let mut all = lock(&PRIMARY);
    let Some(primary) = all.get_mut(device.number).filter(|p| p.retained > 0) else {
        return Err(Error::new(Code::INVALID_CONTEXT, "the primary context is not retained"));
    };
    primary.retained -= 1;
    if primary.retained == 0
        && let Some(context) = primary.context.take()
    {
        drop(all);
        end(&context);
    }
    Ok(())
}

pub unsafe fn primary_reset(device: c_int) -> Result {
    let device = device::get(device)?;
    let context = lock(&PRIMARY).get_mut(device.number).and_then(|p| {
        p.retained = 0;
        p.context.take()
    });
    if let Some(context) = context {
        end(&context);
    }
    Ok(())
}

fn end(context: &Arc<Context>) {
    context.destroy();
    let _ = CONTEXTS.remove(context.raw());
}

pub unsafe fn primary_set_flags(device: c_int, flags: u32) -> Result {
    let device = device::get(device)?;
    let mut all = lock(&PRIMARY);
    all.resize_with(device::all().len(), Primary::default);
    let primary = &mut all[device.number];
    primary.flags = flags;
    if let Some(context) = &primary.context {
        context.flags.store(flags, Relaxed);
    }
    Ok(())
}

pub unsafe fn primary_state(device: c_int, flags: *mut u32, active: *mut c_int) -> Result {
    let device = device::get(device)?;
    let all = lock(&PRIMARY);
    let (is, with) = all.get(device.number).map_or((false, 0), |p| (p.context.is_some(), p.flags));
    // SAFETY: the caller's promise.
    unsafe {
        put(flags, with)?;
        put(active, is.into())
    }
}

pub unsafe fn create(context: *mut Raw, flags: u32, device: c_int) -> Result {
    let device = device::get(device)?;
    let made = Context::create(device, flags, false);
    // SAFETY: the caller's promise.
    unsafe { put(context, made.raw()) }?;
    STACK.with_borrow_mut(|stack| stack.push(made));
    Ok(())
}

pub unsafe fn create_v3(context: *mut Raw, _affinity: Raw, affinities: c_int, flags: u32, device: c_int) -> Result {
    if affinities != 0 {
        return Err(Error::new(Code::NOT_SUPPORTED, "execution affinity"));
    }
    // SAFETY: the caller's promise.
    unsafe { create(context, flags, device) }
}

pub unsafe fn create_v4(context: *mut Raw, params: Raw, flags: u32, device: c_int) -> Result {
    if !params.is_null() {
        return Err(Error::new(Code::NOT_SUPPORTED, "a context with parameters"));
    }
    // SAFETY: the caller's promise.
    unsafe { create(context, flags, device) }
}

pub unsafe fn destroy(context: Raw) -> Result {
    let context = get(context)?;
    if context.primary {
        return Err(Error::new(Code::INVALID_CONTEXT, "a primary context is released, not destroyed"));
    }
    end(&context);
    STACK.with_borrow_mut(|stack| stack.pop_if(|top| Arc::ptr_eq(top, &context)));
    Ok(())
}

pub unsafe fn push(context: Raw) -> Result {
    let context = get(context)?;
    STACK.with_borrow_mut(|stack| stack.push(context));
    Ok(())
}

pub unsafe fn pop(context: *mut Raw) -> Result {
    device::initialized()?;
    let Some(popped) = STACK.with_borrow_mut(|stack| stack.pop()) else { return Err(Code::INVALID_CONTEXT.into()) };
    if context.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe { put(context, popped.raw()) }
}

pub unsafe fn set_current(context: Raw) -> Result {
    device::initialized()?;
    let next = if context.is_null() { None } else { Some(get(context)?) };
    STACK.with_borrow_mut(|stack| {
        stack.pop();
        stack.extend(next);
    });
    Ok(())
}

pub unsafe fn get_current(context: *mut Raw) -> Result {
    let current = current_or_none()?;
    // SAFETY: the caller's promise.
    unsafe { put(context, current.map_or(std::ptr::null_mut(), |c| c.raw())) }
}

pub unsafe fn get_device(device: *mut c_int) -> Result {
    // SAFETY: the caller's promise.
    unsafe { get_device_of(device, std::ptr::null_mut()) }
}

pub unsafe fn get_device_of(device: *mut c_int, context: Raw) -> Result {
    let context = of(context)?;
    // SAFETY: the caller's promise.
    unsafe { put(device, context.device.number as c_int) }
}

pub unsafe fn get_flags(flags: *mut u32) -> Result {
    let context = current()?;
    // SAFETY: the caller's promise.
    unsafe { put(flags, context.flags.load(Relaxed)) }
}

pub unsafe fn set_flags(flags: u32) -> Result {
    current()?.flags.store(flags, Relaxed);
    Ok(())
}

pub unsafe fn get_id(context: Raw, number: *mut u64) -> Result {
    let context = of(context)?;
    // SAFETY: the caller's promise.
    unsafe { put(number, context.number) }
}

pub unsafe fn api_version(context: Raw, version: *mut u32) -> Result {
    of(context)?;
    // SAFETY: the caller's promise.
    unsafe { put(version, 3020) }
}

/// Limits that programs set and read; nothing here depends on them.
const LIMITS: [(u32, usize); 8] =
    [(0, 1024), (1, 1 << 20), (2, 8 << 20), (3, 2), (4, 2048), (5, 64), (6, 0), (7, device::SHARED_OPT_IN)];

pub unsafe fn get_limit(value: *mut usize, limit: u32) -> Result {
    let context = current()?;
    let Some(default) = LIMITS.iter().find(|l| l.0 == limit) else { return Err(Code::UNSUPPORTED_LIMIT.into()) };
    let set = lock(&context.limits).get(&limit).copied();
    // SAFETY: the caller's promise.
    unsafe { put(value, set.unwrap_or(default.1)) }
}

pub unsafe fn set_limit(limit: u32, value: usize) -> Result {
    let context = current()?;
    if !LIMITS.iter().any(|l| l.0 == limit) {
        return Err(Code::UNSUPPORTED_LIMIT.into());
    }
    lock(&context.limits).insert(limit, value);
    Ok(())
}

pub unsafe fn priority_range(least: *mut c_int, greatest: *mut c_int) -> Result {
    current()?;
    for (to, value) in [(least, 0), (greatest, -5)] {
        if !to.is_null() {
            // SAFETY: the caller's promise.
            unsafe { put(to, value) }?;
        }
    }
    Ok(())
}

pub unsafe fn get_cache_config(config: *mut u32) -> Result {
    current()?;
    // SAFETY: the caller's promise.
    unsafe { put(config, 0) }
}

pub unsafe fn set_cache_config(config: u32) -> Result {
    current()?;
    if config > 3 { invalid(format!("there is no cache configuration {config}")) } else { Ok(()) }
}

pub unsafe fn enable_peer_access(peer: Raw, flags: u32) -> Result {
    current()?;
    get(peer)?;
    if flags != 0 {
        return invalid("cuCtxEnablePeerAccess takes no flags");
    }
    Err(Error::new(Code::PEER_ACCESS_UNSUPPORTED, "kernels of the emulator see the memory of their own device"))
}

//! Device memory: taking it, giving it back, and what an address is.

use super::context::{self, Context};
use super::error::{Code, Error, Result, invalid, lock, put};
use super::handle::Raw;
use super::pool::{self, Pool};
use super::stream::{self, Stream};
use super::timeline::{self, Owner, Work};
use super::{capture, device, host};
use crate::memory::{Global, Problem};
use std::collections::HashSet;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Addresses whose free is queued.
static FREEING: Mutex<Option<HashSet<u64>>> = Mutex::new(None);

/// What is wrong with a place in memory, as the text of an error.
pub fn text_of(problem: Problem) -> String {
    match problem {
        Problem::OutOfBounds(text)
        | Problem::Freed(text)
        | Problem::Misaligned(text)
        | Problem::Unwritten(text)
        | Problem::Race(text) => text,
    }
}

fn out_of_memory(context: &Context, bytes: usize) -> Error {
    let global = &context.device.global;
    let text = format!("{bytes} bytes were asked for, {} of {} are in use", global.used(), global.total);
    Error::new(Code::OUT_OF_MEMORY, text)
}

/// Takes memory; where there is none, what is queued runs first, since it may give some back.
///
/// # Errors
/// `CUDA_ERROR_OUT_OF_MEMORY`.
pub fn take(context: &Arc<Context>, bytes: usize, call: &'static str) -> Result<u64> {
    if bytes == 0 {
        return invalid("0 bytes were asked for");
    }
    let global = &context.device.global;
    let allocation = global.allocate(bytes).or_else(|| {
        timeline::finish_all();
        global.allocate(bytes)
    });
    let Some(allocation) = allocation else { return Err(out_of_memory(context, bytes)) };
    lock(&context.allocations).insert(allocation.base, call);
    Ok(allocation.base)
}

/// Gives memory back; false where none starts there.
pub fn give_back(address: u64) -> bool {
    if let Some(freeing) = lock(&FREEING).as_mut() {
        freeing.remove(&address);
    }
    let device = Global::device_of(address).and_then(|n| device::all().get(n));
    let Some(allocation) = device.and_then(|d| d.global.free(address)) else { return false };
    pool::gave_back(address, allocation.size);
    for context in context::all() {
        lock(&context.allocations).remove(&address);
    }
    true
}

/// Taking memory, as a node of a graph: at an address that was settled when the graph was made.
#[derive(Debug)]
pub struct Take {
    /// Whose it is.
    pub context: Arc<Context>,
    /// Where.
    pub address: u64,
    /// How much.
    pub bytes: usize,
    /// Whose account it is on.
    pub pool: Arc<Pool>,
}

impl Work for Take {
    fn run(&self) -> Result {
        let global = &self.context.device.global;
        if global.get(self.address).is_some() {
            return invalid("a graph is launched again while memory that it allocates is not freed");
        }
        global.place(self.address, self.bytes).ok_or_else(|| out_of_memory(&self.context, self.bytes))?;
        self.pool.took(self.address, self.bytes);
        lock(&self.context.allocations).insert(self.address, "a graph's allocation");
        Ok(())
    }

    fn kind(&self) -> u32 {
        10
    }
}

/// Giving memory back in the order of a stream or a graph.
#[derive(Debug)]
pub struct GiveBack(pub u64);

impl Work for GiveBack {
    fn run(&self) -> Result {
        if give_back(self.0) {
            return Ok(());
        }
        Err(Error::new(Code::ILLEGAL_ADDRESS, format!("cuMemFreeAsync of {:#x}, where no allocation starts", self.0)))
    }

    fn kind(&self) -> u32 {
        11
    }
}

/// What is at an address where an allocation should start.
fn not_a_start(address: u64) -> Error {
    let text = match device::find(address, 1) {
        Ok((allocation, offset)) => {
            format!("{address:#x} lies {offset} bytes into the allocation at {:#x}", allocation.base)
        }
        Err(problem) => text_of(problem),
    };
    Error::new(Code::INVALID_VALUE, text)
}

fn starts(address: u64) -> bool {
    Global::device_of(address).and_then(|n| device::all().get(n)).is_some_and(|d| d.global.get(address).is_some())
}

pub unsafe fn allocate(pointer: *mut u64, bytes: usize) -> Result {
    let context = context::current()?;
    capture::refuse_unsafe("cuMemAlloc")?;
    if pointer.is_null() {
        return invalid("a null pointer where the call writes its result");
    }
    let address = take(&context, bytes, "cuMemAlloc")?;
    // SAFETY: the caller's promise.
    unsafe { put(pointer, address) }
}

pub unsafe fn allocate_pitch(
    pointer: *mut u64,
    pitch: *mut usize,
    width: usize,
    height: usize,
    element: u32,
) -> Result {
    if !matches!(element, 4 | 8 | 16) {
        return invalid(format!("elements of {element} bytes: expected 4, 8 or 16"));
    }
    let row = width.checked_next_multiple_of(512);
    let Some((row, bytes)) = row.and_then(|row| Some((row, row.checked_mul(height)?))) else {
        return Err(Code::OUT_OF_MEMORY.into());
    };
    // SAFETY: the caller's promise.
    unsafe {
        put(pitch, row)?;
        allocate(pointer, bytes)
    }
}

/// Waits for everything, as the driver does, and frees.
pub unsafe fn free(address: u64) -> Result {
    let context = context::current()?;
    if address == 0 {
        return Ok(());
    }
    capture::refuse_unsafe("cuMemFree")?;
    timeline::finish_all();
    context.fault()?;
    if give_back(address) { Ok(()) } else { Err(not_a_start(address)) }
}

pub unsafe fn allocate_async(pointer: *mut u64, bytes: usize, stream: Raw) -> Result {
    let stream = stream::get(stream)?;
    let pool = pool::of_device(stream.context.device).1;
    // SAFETY: the caller's promise.
    unsafe { allocate_in_order(pointer, bytes, &pool, &stream) }
}

pub unsafe fn allocate_from_pool(pointer: *mut u64, bytes: usize, pool: Raw, stream: Raw) -> Result {
    let (pool, stream) = (pool::get(pool)?, stream::get(stream)?);
    // SAFETY: the caller's promise.
    unsafe { allocate_in_order(pointer, bytes, &pool, &stream) }
}

unsafe fn allocate_in_order(pointer: *mut u64, bytes: usize, pool: &Arc<Pool>, stream: &Stream) -> Result {
    if pointer.is_null() {
        return invalid("a null pointer where the call writes its result");
    }
    if capture::is_capturing(stream.queue) {
        let work = in_graph(&stream.context, bytes, pool)?;
        let address = work.address;
        stream.submit(work)?;
        // SAFETY: the caller's promise.
        return unsafe { put(pointer, address) };
    }
    capture::check_legacy(stream.queue)?;
    let address = take(&stream.context, bytes, "cuMemAllocAsync")?;
    pool.took(address, bytes);
    // SAFETY: the caller's promise.
    unsafe { put(pointer, address) }
}

/// An allocation of a graph, with its address.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` for no bytes, `CUDA_ERROR_OUT_OF_MEMORY` for more than the device has.
pub fn in_graph(context: &Arc<Context>, bytes: usize, pool: &Arc<Pool>) -> Result<Arc<Take>> {
    if bytes == 0 {
        return invalid("0 bytes were asked for");
    }
    if bytes > context.device.global.total {
        return Err(out_of_memory(context, bytes));
    }
    let address = context.device.global.reserve(bytes);
    Ok(Arc::new(Take { context: context.clone(), address, bytes, pool: pool.clone() }))
}

pub unsafe fn free_async(address: u64, stream: Raw) -> Result {
    let stream = stream::get(stream)?;
    if capture::is_capturing(stream.queue) {
        return stream.submit(Arc::new(GiveBack(address)));
    }
    if !starts(address) {
        // A graph that is queued may allocate it.
        timeline::finish_all();
        if !starts(address) {
            return Err(not_a_start(address));
        }
    }
    capture::check_legacy(stream.queue)?;
    if !lock(&FREEING).get_or_insert_default().insert(address) {
        return invalid(format!("the allocation at {address:#x} is freed a second time"));
    }
    stream.submit(Arc::new(GiveBack(address)))
}

pub unsafe fn info(free: *mut usize, total: *mut usize) -> Result {
    let context = context::current()?;
    let global = &context.device.global;
    // SAFETY: the caller's promise.
    unsafe {
        put(free, global.total.saturating_sub(global.used()))?;
        put(total, global.total)
    }
}

pub unsafe fn address_range(base: *mut u64, bytes: *mut usize, address: u64) -> Result {
    context::current()?;
    let found = device::find(address, 1);
    let (allocation, _) = found.map_err(|problem| Error::new(Code::NOT_FOUND, text_of(problem)))?;
    // SAFETY: the caller's promise; either may be null.
    unsafe {
        if !base.is_null() {
            put(base, allocation.base)?;
        }
        if !bytes.is_null() {
            put(bytes, allocation.size)?;
        }
    }
    Ok(())
}

pub unsafe fn pointer_attribute(to: Raw, attribute: u32, address: u64) -> Result {
    device::initialized()?;
    if to.is_null() {
        return invalid("a null pointer where the call writes its result");
    }
    let pinned = host::region(address as usize, 1);
    let found = device::find(address, 1).ok();
    if found.is_none() && pinned.is_none() {
        return invalid(format!("{address:#x} is no address of a device, nor page-locked host memory"));
    }
    let base = found.as_ref().map(|(a, _)| a.base);
    let owner = base.and_then(|base| context::all().into_iter().find(|c| lock(&c.allocations).contains_key(&base)));
    let device = found.as_ref().and_then(|_| Global::device_of(address)).unwrap_or(0);
    // SAFETY: the caller promises room for a value of the attribute's type.
    unsafe {
        match attribute {
            1 => put(to.cast(), owner.map_or(std::ptr::null_mut(), |c| c.raw())),
            2 => put(to.cast(), if found.is_some() { 2u32 } else { 1 }),
            3 => put(to.cast(), if found.is_some() { address } else { 0 }),
            4 if found.is_none() => put(to.cast(), address),
            4 => invalid("device memory has no address on the host"),
            6 | 8 | 10 | 15 => put(to.cast(), false),
            7 => put(to.cast(), base.unwrap_or(address)),
            9 => put(to.cast(), device as c_int),
            11 => put(to.cast(), base.or(pinned.map(|r| r.0 as u64)).unwrap_or(address)),
            12 => put(to.cast(), found.map(|(a, _)| a.size).or(pinned.map(|r| r.1)).unwrap_or(0)),
            13 => put(to.cast(), true),
            14 => put(to.cast(), 0u64),
            16 => put(to.cast(), 3u32),
            17 => {
                let pool = base.and_then(pool::of_address);
                put(to.cast(), pool.map_or(0usize, |p| p.handle))
            }
            _ => Err(Error::new(Code::NOT_SUPPORTED, format!("the attribute {attribute} of a pointer"))),
        }
    }
}

pub unsafe fn pointer_attributes(count: u32, attributes: *const u32, to: *const Raw, address: u64) -> Result {
    device::initialized()?;
    if count > 0 && (attributes.is_null() || to.is_null()) {
        return invalid("a null pointer for the attributes");
    }
    for i in 0..count as usize {
        // SAFETY: the caller promises `count` of both, and room for a value of each attribute's type (8 bytes at most).
        unsafe {
            let (attribute, to) = (attributes.add(i).read(), to.add(i).read());
            if let Err(error) = pointer_attribute(to, attribute, address) {
                if to.is_null() {
                    return Err(error);
                }
                // An address that the driver does not know gives zeros here.
                let bytes = if matches!(attribute, 2 | 9 | 16) {
                    4
                } else if matches!(attribute, 6 | 8 | 10 | 13 | 15) {
                    1
                } else {
                    8
                };
                to.cast::<u8>().write_bytes(0, bytes);
            }
        }
    }
    Ok(())
}

pub unsafe fn set_pointer_attribute(value: Raw, _attribute: u32, address: u64) -> Result {
    if value.is_null() {
        return invalid("a null pointer for the attribute's value");
    }
    device::find(address, 1).map(|_| ()).map_err(|problem| Error::new(Code::INVALID_VALUE, text_of(problem)))
}

/// Prints what the contexts that there are have not freed.
pub extern "C" fn report_leaks() {
    let report = || {
        let mut lines = Vec::new();
        timeline::finish_all();
        for context in context::all() {
            for (&address, call) in lock(&context.allocations).iter() {
                let bytes = context.device.global.get(address).map_or(0, |a| a.size);
                lines.push((address, format!("{bytes} bytes at {address:#x}, by {call}")));
            }
        }
        lines.sort();
        eprintln!("CUDA emulator: {} allocations were never freed", lines.len());
        lines.iter().for_each(|(_, line)| eprintln!("  {line}"));
    };
    // What panics at exit must not leave by a C function.
    let _ = std::panic::catch_unwind(report);
}

/// Asks once for the report of leaks at exit, where the environment wants it.
pub fn report_leaks_at_exit() {
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> c_int;
    }
    static ASKED: AtomicBool = AtomicBool::new(false);
    if std::env::var("UNCRUMPLE_EMULATOR_LEAKS").is_ok_and(|v| v == "1") && !ASKED.swap(true, Relaxed) {
        // SAFETY: the function is one of this library, which stays loaded or takes its exit functions along.
        unsafe { atexit(report_leaks) };
    }
}

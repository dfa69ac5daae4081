//! The emulated devices: how many there are and what they say of themselves.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `UNCRUMPLE_EMULATOR_DEVICES` | how many devices there are | 1 |
//! | `UNCRUMPLE_EMULATOR_MEMORY` | bytes of each; `K`, `M` and `G` behind the number multiply by 1024 | `8G` |
//! | `UNCRUMPLE_EMULATOR_CHECKS` | `0` switches off the checks for unwritten memory and races | on |
//! | `UNCRUMPLE_EMULATOR_CONTRACT` | `0` runs products and sums as they are written, never fused | on |
//! | `UNCRUMPLE_EMULATOR_THREADS` | threads that run blocks | those of the machine |
//! | `UNCRUMPLE_EMULATOR_LEAKS` | `1` lists at exit what was never freed | off |

use super::error::{Code, Error, Result, invalid, put};
use crate::memory::{Allocation, Global, Problem};
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The CUDA version of this driver.
pub const VERSION: c_int = 13_000;
/// The newest PTX that it reads.
pub const PTX: (u32, u32) = (9, 0);
/// The compute capability.
pub const CAPABILITY: (u32, u32) = (9, 0);
/// Shared memory of a block: without asking, with asking, of a multiprocessor, and what the system keeps of each block.
pub const SHARED: usize = 48 << 10;
/// As above.
pub const SHARED_OPT_IN: usize = 227 << 10;
/// As above.
pub const SHARED_OF_MULTIPROCESSOR: usize = 228 << 10;
/// As above.
pub const SHARED_RESERVED: usize = 1 << 10;
/// Threads of a block and of a multiprocessor.
pub const THREADS: u32 = 1024;
/// As above.
pub const THREADS_OF_MULTIPROCESSOR: u32 = 2048;
/// Blocks of a multiprocessor.
pub const BLOCKS: u32 = 32;

/// How many devices there may be; their addresses stay clear of the host's.
const MOST: usize = 8;

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Its number.
    pub number: usize,
    /// Its memory.
    pub global: Global,
    /// Whether kernels are checked.
    pub checks: bool,
    /// How many threads run a kernel's blocks.
    pub threads: usize,
}

impl Device {
    /// How many multiprocessors it says it has: one a thread of the machine.
    pub fn multiprocessors(&self) -> c_int {
        self.threads as c_int
    }
}

static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// The value of an environment variable as a number with a unit.
fn number(name: &str, default: usize) -> usize {
    let Ok(text) = std::env::var(name) else { return default };
    let text = text.trim();
    let (digits, unit) = match text.chars().last() {
        Some('K' | 'k') => (&text[..text.len() - 1], 1 << 10),
        Some('M' | 'm') => (&text[..text.len() - 1], 1 << 20),
        Some('G' | 'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1usize),
    };
    let number = digits.trim().parse().ok().and_then(|n: usize| n.checked_mul(unit));
    number.unwrap_or_else(|| {
        eprintln!("{name}={text}: expected a number, perhaps with K, M or G; taking {default}");
        default
    })
}

/// Whether modules are loaded as the driver's compiler does it, with products and sums fused where PTX allows it.
pub fn contracts() -> bool {
    static CONTRACTS: OnceLock<bool> = OnceLock::new();
    *CONTRACTS.get_or_init(|| number("UNCRUMPLE_EMULATOR_CONTRACT", 1) != 0)
}

/// All devices.
pub fn all() -> &'static [Device] {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let memory = number("UNCRUMPLE_EMULATOR_MEMORY", 8 << 30);
        let checks = number("UNCRUMPLE_EMULATOR_CHECKS", 1) != 0;
        let machine = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = number("UNCRUMPLE_EMULATOR_THREADS", machine).clamp(1, 1024);
        let device = |number| Device { number, global: Global::of_device(number, memory), checks, threads };
        (0..number("UNCRUMPLE_EMULATOR_DEVICES", 1).min(MOST)).map(device).collect()
    })
}

/// The device with this number.
///
/// # Errors
/// `CUDA_ERROR_NOT_INITIALIZED` before `cuInit`, `CUDA_ERROR_INVALID_DEVICE` where there is none.
pub fn get(number: c_int) -> Result<&'static Device> {
    initialized()?;
    let found = usize::try_from(number).ok().and_then(|n| all().get(n));
    found
        .ok_or_else(|| Error::new(Code::INVALID_DEVICE, format!("device {number} of {} (counted from 0)", all().len())))
}

/// Whether `cuInit` was called.
///
/// # Errors
/// `CUDA_ERROR_NOT_INITIALIZED` where it was not.
pub fn initialized() -> Result {
    if INITIALIZED.load(Relaxed) { Ok(()) } else { Err(Code::NOT_INITIALIZED.into()) }
}

/// The allocation, on whichever device, that holds `bytes` bytes at `address`, and their offset in it.
///
/// # Errors
/// What lies there instead.
pub fn find(address: u64, bytes: usize) -> Result<(Arc<Allocation>, usize), Problem> {
    let device = Global::device_of(address).and_then(|n| all().get(n)).or_else(|| all().first());
    let Some(device) = device else { return Err(Problem::OutOfBounds("there is no device".to_owned())) };
    device.global.find(address, bytes)
}

/// Whether an address is one that a device hands out, and not the host's.
pub fn owns(address: u64) -> bool {
    Global::device_of(address).is_some_and(|n| n < all().len())
}

/// Says that `cuInit` was called; whether it was the first time.
pub fn initialize() -> bool {
    !INITIALIZED.swap(true, Relaxed)
}

pub unsafe fn driver_version(version: *mut c_int) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(version, VERSION) }
}

pub unsafe fn count(count: *mut c_int) -> Result {
    initialized()?;
    // SAFETY: the caller's promise.
    unsafe { put(count, all().len() as c_int) }
}

pub unsafe fn get_handle(device: *mut c_int, ordinal: c_int) -> Result {
    get(ordinal)?;
    // SAFETY: the caller's promise.
    unsafe { put(device, ordinal) }
}

/// Writes a text and its zero into a buffer of `length` bytes, cut where it is too long.
unsafe fn put_text(to: *mut c_char, length: c_int, text: &str) -> Result {
    let Some(room) = usize::try_from(length).ok().and_then(|n| n.checked_sub(1)).filter(|_| !to.is_null()) else {
        return invalid("a buffer without room");
    };
    let text = &text.as_bytes()[..text.len().min(room)];
    // SAFETY: the caller promises `length` bytes, of which this takes at most all.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
        to.add(text.len()).write(0);
    }
    Ok(())
}

pub unsafe fn name(name: *mut c_char, length: c_int, device: c_int) -> Result {
    get(device)?;
    // SAFETY: the caller's promise.
    unsafe { put_text(name, length, "Software CUDA device") }
}

pub unsafe fn pci_bus_id(id: *mut c_char, length: c_int, device: c_int) -> Result {
    get(device)?;
    // SAFETY: the caller's promise.
    unsafe { put_text(id, length, &format!("0000:{:02x}:00.0", device + 1)) }
}

pub unsafe fn uuid(uuid: *mut [u8; 16], device: c_int) -> Result {
    get(device)?;
    let mut bytes = *b"uncrumple-emu\0\0\0";
    bytes[15] = device as u8;
    // SAFETY: the caller's promise.
    unsafe { put(uuid, bytes) }
}

pub unsafe fn total_memory(bytes: *mut usize, device: c_int) -> Result {
    let device = get(device)?;
    // SAFETY: the caller's promise.
    unsafe { put(bytes, device.global.total) }
}

pub unsafe fn compute_capability(major: *mut c_int, minor: *mut c_int, device: c_int) -> Result {
    get(device)?;
    // SAFETY: the caller's promise.
    unsafe {
        put(major, CAPABILITY.0 as c_int)?;
        put(minor, CAPABILITY.1 as c_int)
    }
}

pub unsafe fn can_access_peer(can: *mut c_int, device: c_int, peer: c_int) -> Result {
    get(device)?;
    get(peer)?;
    // SAFETY: the caller's promise.
    unsafe { put(can, 0) }
}

/// The attributes of a device of compute capability 9.0. What is not listed is something that there is not, 0.
fn attribute_of(device: &Device, attribute: u32) -> c_int {
    match attribute {
        1..=3 => THREADS as c_int,
        4 => 64,
        5 => c_int::MAX,
        6 | 7 => 65_535,
        8 => SHARED as c_int,
        9 => 64 << 10,
        10 => 32,
        11 => c_int::MAX,
        12 | 82 => 65_536,
        // Clocks, in kHz: time is the host's, and these are there for programs that divide by them.
        13 | 36 => 1_000_000,
        14 | 30 => 512,
        51 => 32,
        15 => 1,
        16 => device.multiprocessors(),
        // Unified addressing, streams with priorities, caches, stream-ordered allocation, page-locking.
        31 | 41 | 78 | 79 | 80 | 90 | 99 | 115 => 1,
        33 => device.number as c_int + 1,
        37 => 64,
        38 => 1 << 20,
        39 => THREADS_OF_MULTIPROCESSOR as c_int,
        40 => 2,
        75 => CAPABILITY.0 as c_int,
        76 => CAPABILITY.1 as c_int,
        81 => SHARED_OF_MULTIPROCESSOR as c_int,
        85 => device.number as c_int,
        87 => 2,
        97 => SHARED_OPT_IN as c_int,
        106 => BLOCKS as c_int,
        111 => SHARED_RESERVED as c_int,
        126 => 1,
        130 | 131 | 134 => -1,
        _ => 0,
    }
}

pub unsafe fn attribute(value: *mut c_int, attribute: u32, device: c_int) -> Result {
    let device = get(device)?;
    if !(1..=147).contains(&attribute) {
        return invalid(format!("there is no device attribute {attribute}"));
    }
    // SAFETY: the caller's promise.
    unsafe { put(value, attribute_of(device, attribute)) }
}

pub unsafe fn error_name(code: u32, text: *mut *const c_char) -> Result {
    let name = Code(code).name();
    // SAFETY: the caller's promise.
    unsafe { put(text, name.map_or(std::ptr::null(), |name| name.as_ptr())) }?;
    name.map(|_| ()).ok_or(Code::INVALID_VALUE.into())
}

pub unsafe fn error_string(code: u32, text: *mut *const c_char) -> Result {
    let explanation = Code(code).explanation();
    // SAFETY: the caller's promise.
    unsafe { put(text, explanation.unwrap_or(std::ptr::null())) }?;
    explanation.map(|_| ()).ok_or(Code::INVALID_VALUE.into())
}

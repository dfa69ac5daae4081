//! What modules are loaded from: PTX in memory or in a file, and the buffers for what is wrong with it.

use super::device;
use super::error::{Code, Error, Result, invalid, text};
use super::handle::Raw;
use crate::{isa, ptx};
use std::ffi::{c_char, c_void};

/// The start of a module's image, where it is no text.
const ELF: [u8; 4] = *b"\x7fELF";
const FAT: [u8; 4] = 0xba55_ed50u32.to_le_bytes();
const FAT_WRAPPER: [u8; 4] = 0x4662_43b1u32.to_le_bytes();

/// The text that an image in memory is.
///
/// # Errors
/// An image that is compiled code.
///
/// # Safety
/// `image` is null, or a string that ends in a zero, or compiled code.
pub unsafe fn read(image: *const c_void) -> Result<String> {
    if image.is_null() {
        return invalid("a null pointer for the module's image");
    }
    let mut start = [0u8; 4];
    for (i, byte) in start.iter_mut().enumerate() {
        // SAFETY: not behind the end: the bytes before were not zero, and compiled code is longer.
        *byte = unsafe { image.cast::<u8>().add(i).read() };
        if *byte == 0 {
            break;
        }
    }
    if [ELF, FAT, FAT_WRAPPER].contains(&start) {
        let text = "the image is compiled for a device, and the emulator runs PTX (nvcc -ptx)";
        return Err(Error::new(Code::NO_BINARY_FOR_GPU, text));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { text(image.cast()) }?.into_owned())
}

/// What a module's text declares.
///
/// # Errors
/// PTX that is too new, for a newer device, or wrong.
pub fn parse(text: &str) -> Result<ptx::Module> {
    // Before the rest, of which a newer version may have words that are not known.
    let line = text.lines().find_map(|line| line.trim().strip_prefix(".version"));
    let Some(line) = line else {
        return Err(Error::new(Code::INVALID_IMAGE, "the image is no PTX: it has no line `.version`"));
    };
    if let Some((major, minor)) = line.trim().split_once('.')
        && let (Ok(major), Ok(minor)) = (major.parse(), minor.parse())
    {
        known((major, minor))?;
    }
    let mut module = ptx::parse(text).map_err(wrong)?;
    if device::contracts() {
        isa::contract(&mut module);
    }
    known(module.version)?;
    let digits: String =
        module.target.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let (major, minor) = device::CAPABILITY;
    if digits.parse().is_ok_and(|target: u32| target > major * 10 + minor) {
        let text = format!("PTX for {}, and the device has compute capability {major}.{minor}", module.target);
        return Err(Error::new(Code::NO_BINARY_FOR_GPU, text));
    }
    Ok(module)
}

fn known((major, minor): (u32, u32)) -> Result {
    let (newest, minor_newest) = device::PTX;
    if (major, minor) <= device::PTX {
        return Ok(());
    }
    let text = format!("PTX ISA {major}.{minor}, and the emulator reads up to {newest}.{minor_newest}");
    Err(Error::new(Code::UNSUPPORTED_PTX_VERSION, text))
}

/// `CUDA_ERROR_INVALID_PTX` with the line.
pub fn wrong(error: ptx::Error) -> Error {
    Error::new(Code::INVALID_PTX, error.to_string())
}

/// The text of a file.
///
/// # Errors
/// `CUDA_ERROR_FILE_NOT_FOUND`, or what [`read`] says.
///
/// # Safety
/// `name` is null or a string that ends in a zero.
pub unsafe fn read_file(name: *const c_char) -> Result<String> {
    // SAFETY: the caller's promise.
    let name = unsafe { text(name) }?;
    let mut bytes =
        std::fs::read(&*name).map_err(|error| Error::new(Code::FILE_NOT_FOUND, format!("{name}: {error}")))?;
    bytes.extend([0; 4]);
    // SAFETY: it ends in a zero.
    unsafe { read(bytes.as_ptr().cast()) }
}

/// Options of `cuModuleLoadDataEx` that say where texts go.
const INFO_LOG: u32 = 3;
const INFO_LOG_BYTES: u32 = 4;
const ERROR_LOG: u32 = 5;
const ERROR_LOG_BYTES: u32 = 6;

/// Writes an error's text where the options ask for it.
///
/// # Safety
/// `options` and `values` have `count` each, with the values that the options ask for.
pub unsafe fn log(error: &str, count: u32, options: *const u32, values: *mut Raw) {
    if options.is_null() || values.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let place = |wanted| (0..count as usize).find(|&i| options.add(i).read() == wanted);
        for (buffer, bytes, text) in [(INFO_LOG, INFO_LOG_BYTES, ""), (ERROR_LOG, ERROR_LOG_BYTES, error)] {
            let Some(size) = place(bytes) else { continue };
            // The number of bytes is given in the guise of a pointer, and what was written is answered there.
            let room = values.add(size).read().addr() as u32 as usize;
            let mut written = 0;
            if let Some(at) = place(buffer)
                && let Some(room) = room.checked_sub(1)
            {
                let to = values.add(at).read().cast::<u8>();
                if !to.is_null() {
                    let text = &text.as_bytes()[..text.len().min(room)];
                    to.copy_from_nonoverlapping(text.as_ptr(), text.len());
                    to.add(text.len()).write(0);
                    written = text.len();
                }
            }
            values.add(size).write(std::ptr::without_provenance_mut(written));
        }
    }
}

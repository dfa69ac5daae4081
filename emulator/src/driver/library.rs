//! Libraries: modules that belong to no context, loaded into each where they are used.

use super::context::{self, Context};
use super::device;
use super::error::{Code, Error, Result, lock, put, text};
use super::handle::{Handles, Raw};
use super::image;
use super::module::{self, Function, Module};
use crate::ptx;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::{Arc, Mutex};

/// A library.
#[derive(Debug)]
pub struct Library {
    handle: usize,
    parsed: ptx::Module,
    /// The module of each context, by the context's number.
    modules: Mutex<HashMap<u64, Arc<Module>>>,
    /// The handles of its kernels, by name.
    kernels: Mutex<BTreeMap<String, usize>>,
}

/// A kernel of a library.
#[derive(Debug)]
pub struct Kernel {
    library: Arc<Library>,
    name: CString,
}

static LIBRARIES: Handles<Library> = Handles::new("a library");
static KERNELS: Handles<Kernel> = Handles::resource("a function or a kernel");

impl Library {
    fn module(&self, context: &Arc<Context>) -> Result<Arc<Module>> {
        let mut modules = lock(&self.modules);
        if let Some(module) = modules.get(&context.number) {
            return Ok(module.clone());
        }
        let module = module::load(context, &self.parsed)?;
        modules.insert(context.number, module.clone());
        Ok(module)
    }
}

impl Kernel {
    fn function(&self, context: &Arc<Context>) -> Result<Raw> {
        self.library.module(context)?.function(&self.name.to_string_lossy())
    }
}

/// The function of a handle, which may be that of a library's kernel, in this thread's context.
///
/// # Errors
/// An unknown handle; what loading the library says.
pub fn function(handle: Raw) -> Result<Arc<Function>> {
    if let Some(function) = module::find_function(handle) {
        return Ok(function);
    }
    let kernel = KERNELS.get(handle)?;
    let function = module::find_function(kernel.function(&context::current()?)?);
    function.ok_or_else(|| Error::new(Code::INVALID_HANDLE, "the library's module was unloaded"))
}

/// # Safety
/// `library` is null or may be written; as [`image::log`].
unsafe fn load(
    text: Result<String>,
    library: *mut Raw,
    (count, options, values): (u32, *const u32, *mut Raw),
) -> Result {
    let made = text.and_then(|text| make(image::parse(&text)?));
    // SAFETY: the caller's promise.
    unsafe {
        image::log(made.as_ref().err().map_or("", |e| e.text.as_str()), count, options, values);
        put(library, made?)
    }
}

fn make(parsed: ptx::Module) -> Result<Raw> {
    let names: Vec<String> =
        parsed.functions.iter().filter(|f| f.entry && f.body.is_some()).map(|f| f.name.clone()).collect();
    let (handle, made) =
        LIBRARIES.add(|handle| Library { handle, parsed, modules: Mutex::default(), kernels: Mutex::default() });
    // What cannot be decoded is an error here, where there is a context to decode it for.
    if let Some(context) = context::current_or_none()?
        && let Err(error) = made.module(&context)
    {
        LIBRARIES.remove(handle)?;
        return Err(error);
    }
    for name in names {
        let kernel = Kernel { library: made.clone(), name: CString::new(name.clone()).unwrap_or_default() };
        lock(&made.kernels).insert(name, KERNELS.add(|_| kernel).0.addr());
    }
    Ok(handle)
}

#[allow(clippy::too_many_arguments)] // the driver's
pub unsafe fn load_data(
    library: *mut Raw,
    code: *const c_void,
    options: *const u32,
    values: *mut Raw,
    count: u32,
    _library_options: Raw,
    _library_values: Raw,
    _library_count: u32,
) -> Result {
    device::initialized()?;
    // SAFETY: the caller's promise.
    unsafe { load(image::read(code), library, (count, options, values)) }
}

#[allow(clippy::too_many_arguments)] // the driver's
pub unsafe fn load_file(
    library: *mut Raw,
    name: *const c_char,
    options: *const u32,
    values: *mut Raw,
    count: u32,
    _library_options: Raw,
    _library_values: Raw,
    _library_count: u32,
) -> Result {
    device::initialized()?;
    // SAFETY: the caller's promise.
    unsafe { load(image::read_file(name), library, (count, options, values)) }
}

pub unsafe fn unload(library: Raw) -> Result {
    let library = LIBRARIES.remove(library)?;
    for module in std::mem::take(&mut *lock(&library.modules)).into_values() {
        // SAFETY: the handle is that of a module.
        let _ = unsafe { module::unload(std::ptr::without_provenance_mut(module.handle)) };
    }
    for kernel in std::mem::take(&mut *lock(&library.kernels)).into_values() {
        let _ = KERNELS.remove(std::ptr::without_provenance_mut(kernel));
    }
    Ok(())
}

pub unsafe fn get_kernel(kernel: *mut Raw, library: Raw, name: *const c_char) -> Result {
    let library = LIBRARIES.get(library)?;
    // SAFETY: the caller's promise.
    let name = unsafe { text(name) }?;
    let found = lock(&library.kernels).get(&*name).copied();
    let Some(found) = found else { return Err(Error::new(Code::NOT_FOUND, format!("no kernel `{name}`"))) };
    // SAFETY: the caller's promise.
    unsafe { put(kernel, std::ptr::without_provenance_mut(found)) }
}

pub unsafe fn kernel_count(count: *mut u32, library: Raw) -> Result {
    let library = LIBRARIES.get(library)?;
    let number = lock(&library.kernels).len();
    // SAFETY: the caller's promise.
    unsafe { put(count, number as u32) }
}

pub unsafe fn enumerate(kernels: *mut Raw, count: u32, library: Raw) -> Result {
    let library = LIBRARIES.get(library)?;
    let all: Vec<Raw> = lock(&library.kernels).values().map(|&h| std::ptr::without_provenance_mut(h)).collect();
    // SAFETY: the caller's promise.
    unsafe { module::write_all(kernels, count, &all) }
}

pub unsafe fn get_module(module: *mut Raw, library: Raw) -> Result {
    let of_context = LIBRARIES.get(library)?.module(&context::current()?)?;
    // SAFETY: the caller's promise.
    unsafe { put(module, std::ptr::without_provenance_mut(of_context.handle)) }
}

pub unsafe fn get_global(address: *mut u64, bytes: *mut usize, library: Raw, name: *const c_char) -> Result {
    let module = LIBRARIES.get(library)?.module(&context::current()?)?;
    // SAFETY: the caller's promise.
    unsafe { module::get_global(address, bytes, std::ptr::without_provenance_mut(module.handle), name) }
}

pub unsafe fn kernel_function(to: *mut Raw, kernel: Raw) -> Result {
    let found = KERNELS.get(kernel)?.function(&context::current()?)?;
    // SAFETY: the caller's promise.
    unsafe { put(to, found) }
}

pub unsafe fn kernel_library(library: *mut Raw, kernel: Raw) -> Result {
    let kernel = KERNELS.get(kernel)?;
    // SAFETY: the caller's promise.
    unsafe { put(library, std::ptr::without_provenance_mut(kernel.library.handle)) }
}

pub unsafe fn kernel_name(name: *mut *const c_char, kernel: Raw) -> Result {
    let function = function(kernel)?;
    // SAFETY: the caller's promise; the name lives as long as the function.
    unsafe { put(name, function.name.as_ptr()) }
}

pub unsafe fn kernel_attribute(value: *mut c_int, attribute: u32, kernel: Raw, device: c_int) -> Result {
    device::get(device)?;
    // SAFETY: the caller's promise.
    unsafe { put(value, function(kernel)?.attribute(attribute)?) }
}

pub unsafe fn set_kernel_attribute(attribute: u32, value: c_int, kernel: Raw, device: c_int) -> Result {
    device::get(device)?;
    function(kernel)?.set_attribute(attribute, value)
}

pub unsafe fn set_kernel_cache_config(kernel: Raw, _config: u32, device: c_int) -> Result {
    device::get(device)?;
    function(kernel).map(|_| ())
}

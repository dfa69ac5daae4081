//! Modules: PTX that was loaded into a context, its functions and its variables.

use super::capture;
use super::context::{self, Context};
use super::device;
use super::error::{Code, Error, Result, invalid, lock, put, text};
use super::handle::{Handles, Raw};
use super::image::{self, wrong};
use super::memory;
use super::timeline;
use crate::isa::{self, Symbols};
use crate::machine::Kernel;
use crate::ptx::{self, Init, Space};
use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A module.
#[derive(Debug)]
pub struct Module {
    /// Its context.
    pub context: Arc<Context>,
    /// Its handle.
    pub handle: usize,
    /// The handles of its functions, by name.
    functions: Mutex<BTreeMap<String, usize>>,
    /// Address and size of its variables.
    variables: BTreeMap<String, (u64, usize)>,
}

/// A kernel in a context.
#[derive(Debug)]
pub struct Function {
    /// Its handle.
    pub handle: usize,
    /// Its context.
    pub context: Arc<Context>,
    /// What it runs.
    pub kernel: Kernel,
    /// Its name.
    pub name: CString,
    /// The PTX version, major · 10 + minor.
    version: u32,
    module: usize,
    /// The most dynamic shared memory that a launch may ask for.
    pub most_shared: AtomicUsize,
    carveout: AtomicUsize,
}

static MODULES: Handles<Module> = Handles::resource("a module");
static FUNCTIONS: Handles<Function> = Handles::new("a function");

/// Makes the module's variables and kernels.
///
/// # Errors
/// What cannot be decoded, and memory that is not there.
pub fn load(context: &Arc<Context>, parsed: &ptx::Module) -> Result<Arc<Module>> {
    let mut variables = BTreeMap::new();
    let result = place_variables(context, parsed, &mut variables).and_then(|()| {
        let symbols: Symbols = variables.iter().map(|(name, &(address, _))| (name.clone(), address)).collect();
        let entries = parsed.functions.iter().filter(|f| f.entry && f.body.is_some());
        entries.map(|f| isa::kernel(parsed, f, &symbols).map_err(wrong)).collect::<Result<Vec<Kernel>>>()
    });
    let kernels = match result {
        Ok(kernels) => kernels,
        Err(error) => {
            give_back(&variables);
            return Err(error);
        }
    };
    let (_, module) =
        MODULES.add(|handle| Module { context: context.clone(), handle, functions: Mutex::default(), variables });
    let version = parsed.version.0 * 10 + parsed.version.1;
    for kernel in kernels {
        let name = kernel.name.clone();
        let (_, function) = FUNCTIONS.add(|handle| Function {
            handle,
            context: context.clone(),
            name: CString::new(kernel.name.clone()).unwrap_or_default(),
            most_shared: AtomicUsize::new(device::SHARED.saturating_sub(kernel.shared)),
            kernel,
            version,
            module: module.handle,
            carveout: AtomicUsize::new(usize::MAX),
        });
        lock(&module.functions).insert(name, function.handle);
    }
    Ok(module)
}

fn give_back(variables: &BTreeMap<String, (u64, usize)>) {
    for (address, _) in variables.values() {
        memory::give_back(*address);
    }
}

fn place_variables(
    context: &Arc<Context>,
    parsed: &ptx::Module,
    placed: &mut BTreeMap<String, (u64, usize)>,
) -> Result {
    let own = |space| matches!(space, Space::Global | Space::Const);
    for variable in parsed.variables.iter().filter(|v| own(v.space) && !v.external) {
        let bytes = variable.bytes.unwrap_or(0);
        let address = memory::take(context, bytes.max(1), "a module's variable")?;
        placed.insert(variable.name.clone(), (address, bytes));
    }
    for variable in parsed.variables.iter().filter(|v| own(v.space)) {
        let Some(&(address, bytes)) = placed.get(&variable.name) else {
            let text = format!("`{}` is declared and not defined", variable.name);
            return Err(wrong(ptx::Error::new(variable.line, text)));
        };
        let mut value = Vec::with_capacity(bytes);
        for piece in &variable.init {
            match piece {
                Init::Bytes(bytes) => value.extend(bytes),
                Init::Address(name, offset) => {
                    let Some((start, _)) = placed.get(name) else {
                        let text = format!("`{}` holds the address of `{name}`, which is no variable", variable.name);
                        return Err(wrong(ptx::Error::new(variable.line, text)));
                    };
                    value.extend(start.wrapping_add_signed(*offset).to_le_bytes());
                }
            }
        }
        // What is not given is zero.
        value.resize(bytes.max(1), 0);
        if let Some(allocation) = context.device.global.get(address) {
            allocation.write(0, &value);
        }
    }
    Ok(())
}

/// The module of a handle.
///
/// # Errors
/// An unknown handle.
pub fn get(module: Raw) -> Result<Arc<Module>> {
    MODULES.get(module)
}

/// The function of a handle, if it is one.
pub fn find_function(function: Raw) -> Option<Arc<Function>> {
    FUNCTIONS.find(function.addr())
}

impl Module {
    /// The handle of a function.
    ///
    /// # Errors
    /// `CUDA_ERROR_NOT_FOUND`, with the names that there are.
    pub fn function(&self, name: &str) -> Result<Raw> {
        let functions = lock(&self.functions);
        match functions.get(name) {
            Some(&handle) => Ok(std::ptr::without_provenance_mut(handle)),
            None => {
                let names: Vec<&str> = functions.keys().map(String::as_str).take(8).collect();
                let text = format!("no kernel `{name}`; the module has {}", names.join(", "));
                Err(Error::new(Code::NOT_FOUND, text))
            }
        }
    }

    /// The handles of all functions.
    pub fn functions(&self) -> Vec<Raw> {
        lock(&self.functions).values().map(|&handle| std::ptr::without_provenance_mut(handle)).collect()
    }

    /// The address and the size of a variable.
    ///
    /// # Errors
    /// `CUDA_ERROR_NOT_FOUND`.
    pub fn variable(&self, name: &str) -> Result<(u64, usize)> {
        let found = self.variables.get(name).copied();
        found.ok_or_else(|| Error::new(Code::NOT_FOUND, format!("no variable `{name}`")))
    }

    /// Frees its variables and forgets its functions.
    pub fn unload(&self) {
        timeline::finish_all();
        self.functions().into_iter().for_each(|f| drop(FUNCTIONS.remove(f)));
        give_back(&self.variables);
    }
}

pub unsafe fn load_data(module: *mut Raw, image: *const c_void) -> Result {
    // SAFETY: the caller's promise.
    unsafe { load_data_with(module, image, 0, std::ptr::null(), std::ptr::null_mut()) }
}

pub unsafe fn load_data_with(
    module: *mut Raw,
    image: *const c_void,
    count: u32,
    options: *const u32,
    values: *mut Raw,
) -> Result {
    let context = context::current()?;
    capture::refuse_unsafe("cuModuleLoadData")?;
    // SAFETY: the caller's promise.
    let text = unsafe { image::read(image) };
    // SAFETY: as above.
    unsafe { load_text(module, &context, text, count, options, values) }
}

unsafe fn load_text(
    module: *mut Raw,
    context: &Arc<Context>,
    text: Result<String>,
    count: u32,
    options: *const u32,
    values: *mut Raw,
) -> Result {
    let loaded = text.and_then(|text| load(context, &image::parse(&text)?));
    // SAFETY: the caller's promise.
    unsafe {
        image::log(loaded.as_ref().err().map_or("", |e| e.text.as_str()), count, options, values);
        put(module, std::ptr::without_provenance_mut(loaded?.handle))
    }
}

pub unsafe fn load_file(module: *mut Raw, name: *const c_char) -> Result {
    let context = context::current()?;
    capture::refuse_unsafe("cuModuleLoad")?;
    // SAFETY: the caller's promise.
    unsafe {
        let text = image::read_file(name);
        load_text(module, &context, text, 0, std::ptr::null(), std::ptr::null_mut())
    }
}

pub unsafe fn unload(module: Raw) -> Result {
    context::current()?;
    capture::refuse_unsafe("cuModuleUnload")?;
    MODULES.remove(module)?.unload();
    Ok(())
}

pub unsafe fn loading_mode(mode: *mut u32) -> Result {
    // SAFETY: the caller's promise; 1 is the eager mode.
    unsafe { put(mode, 1) }
}

pub unsafe fn get_function(function: *mut Raw, module: Raw, name: *const c_char) -> Result {
    context::current()?;
    let module = get(module)?;
    // SAFETY: the caller's promise.
    unsafe { put(function, module.function(&text(name)?)?) }
}

pub unsafe fn function_count(count: *mut u32, module: Raw) -> Result {
    let module = get(module)?;
    // SAFETY: the caller's promise.
    unsafe { put(count, module.functions().len() as u32) }
}

pub unsafe fn enumerate(functions: *mut Raw, count: u32, module: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { write_all(functions, count, &get(module)?.functions()) }
}

/// Writes as many handles as the caller has room for.
///
/// # Errors
/// A null pointer.
///
/// # Safety
/// `to` is null or has room for `count`.
pub unsafe fn write_all(to: *mut Raw, count: u32, handles: &[Raw]) -> Result {
    for (i, &handle) in handles.iter().take(count as usize).enumerate() {
        if to.is_null() {
            return invalid("a null pointer where the call writes its result");
        }
        // SAFETY: the caller's promise.
        unsafe { to.add(i).write(handle) };
    }
    Ok(())
}

pub unsafe fn get_global(address: *mut u64, bytes: *mut usize, module: Raw, name: *const c_char) -> Result {
    context::current()?;
    // SAFETY: the caller's promise; either may be null.
    unsafe {
        let (found, size) = get(module)?.variable(&text(name)?)?;
        if !address.is_null() {
            put(address, found)?;
        }
        if !bytes.is_null() {
            put(bytes, size)?;
        }
    }
    Ok(())
}

impl Function {
    /// The value of an attribute.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` for one that there is not.
    pub fn attribute(&self, attribute: u32) -> Result<c_int> {
        let kernel = &self.kernel;
        Ok(match attribute {
            0 => kernel.max_threads.map_or(device::THREADS, |n| n.min(device::THREADS)) as c_int,
            1 => kernel.shared as c_int,
            2 => 0,
            3 => kernel.local as c_int,
            // Those of the PTX, of which a compiler for a device would need fewer.
            4 => kernel.registers.min(255) as c_int,
            5 => self.version as c_int,
            6 => (device::CAPABILITY.0 * 10 + device::CAPABILITY.1) as c_int,
            7 | 10..=15 => 0,
            8 => self.most_shared.load(Relaxed) as c_int,
            9 => self.carveout.load(Relaxed) as c_int,
            _ => return invalid(format!("a function has no attribute {attribute}")),
        })
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` for one that cannot be set, or not to this value.
    pub fn set_attribute(&self, attribute: u32, value: c_int) -> Result {
        match (attribute, usize::try_from(value)) {
            (8, Ok(bytes)) if bytes + self.kernel.shared <= device::SHARED_OPT_IN => {
                self.most_shared.store(bytes, Relaxed);
                Ok(())
            }
            (8, _) => invalid(format!(
                "{value} bytes of dynamic shared memory, beside {} of `{}` itself: a block has {}",
                self.kernel.shared,
                self.kernel.name,
                device::SHARED_OPT_IN
            )),
            (9, _) if (-1..=100).contains(&value) => {
                self.carveout.store(value as usize, Relaxed);
                Ok(())
            }
            _ => invalid(format!("the attribute {attribute} of a function cannot be set to {value}")),
        }
    }

    /// The handle of its module.
    pub fn module(&self) -> Raw {
        std::ptr::without_provenance_mut(self.module)
    }
}

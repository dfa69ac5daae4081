//! Launching kernels, and what their functions say of themselves.

use super::context;
use super::device;
use super::error::{Code, Error, Result, invalid, put, read};
use super::handle::Raw;
use super::library;
use super::module::Function;
use super::stream;
use super::timeline::Work;
use crate::machine::{self, Dim, Fault, Kind};
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A launch.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The kernel.
    pub function: Arc<Function>,
    /// Blocks of the grid.
    pub grid: Dim,
    /// Threads of a block.
    pub block: Dim,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// The bytes of the parameters.
    pub params: Vec<u8>,
}

impl Work for Launch {
    fn run(&self) -> Result {
        let device = self.function.context.device;
        let launch = machine::Launch {
            grid: self.grid,
            block: self.block,
            shared: self.shared as usize,
            params: &self.params,
            checks: device.checks,
            threads: device.threads,
        };
        let run = machine::run(&self.function.kernel, &launch, &device.global.view());
        run.map(|_| ()).map_err(|fault| error_of(&fault))
    }

    fn kind(&self) -> u32 {
        0
    }

    fn holds(&self) -> usize {
        self.params.len()
    }
}

/// The driver's error for a fault.
fn error_of(fault: &Fault) -> Error {
    let code = match fault.kind {
        Kind::IllegalAddress => Code::ILLEGAL_ADDRESS,
        Kind::MisalignedAddress => Code::MISALIGNED_ADDRESS,
        Kind::Trap if fault.message.contains("assert") => Code::ASSERT,
        Kind::Trap => Code::ILLEGAL_INSTRUCTION,
        Kind::Unwritten | Kind::Race | Kind::Divergence | Kind::Undefined => Code::LAUNCH_FAILED,
    };
    Error::new(code, fault.to_string())
}

impl Launch {
    /// A launch whose parameters are where the caller says.
    ///
    /// # Errors
    /// Extents and sizes that no launch may have, and parameters that are not there.
    ///
    /// # Safety
    /// `params` is null or points to a pointer to each parameter; `extra` is null or a list as `cuLaunchKernel` takes it.
    pub unsafe fn new(
        function: Arc<Function>,
        [grid, block]: [[u32; 3]; 2],
        shared: u32,
        params: *const Raw,
        extra: *const Raw,
    ) -> Result<Launch> {
        let launch = Launch { grid: Dim(grid), block: Dim(block), shared, params: Vec::new(), function };
        launch.check()?;
        // SAFETY: the caller's promise.
        let params = unsafe { launch.gather(params, extra) }?;
        Ok(Launch { params, ..launch })
    }

    fn check(&self) -> Result {
        let (Dim([x, y, z]), Dim([bx, by, bz]), kernel) = (self.grid, self.block, &self.function.kernel);
        let refuse = |text: String| invalid(format!("a launch of `{}`: {text}", kernel.name));
        if !(1..=i32::MAX as u32).contains(&x) || !(1..=65_535).contains(&y) || !(1..=65_535).contains(&z) {
            return refuse(format!("a grid of {} blocks: from (1, 1, 1) to (2147483647, 65535, 65535)", self.grid));
        }
        let most = kernel.max_threads.map_or(device::THREADS, |n| n.min(device::THREADS));
        let threads = bx.saturating_mul(by).saturating_mul(bz);
        if threads == 0 || bx > 1024 || by > 1024 || bz > 64 || threads > most {
            return refuse(format!("a block of {} threads: at least 1, and at most {most} in all", self.block));
        }
        let shared = self.function.most_shared.load(Relaxed);
        if self.shared as usize > shared {
            return refuse(format!(
                "{} bytes of dynamic shared memory, and the function may have {shared} \
                 (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)",
                self.shared
            ));
        }
        if self.shared as usize + kernel.shared > device::SHARED_OPT_IN {
            return Err(Error::new(Code::LAUNCH_OUT_OF_RESOURCES, "more shared memory than a block has"));
        }
        Ok(())
    }

    unsafe fn gather(&self, params: *const Raw, extra: *const Raw) -> Result<Vec<u8>> {
        let kernel = &self.function.kernel;
        let mut bytes = vec![0; kernel.param_bytes()];
        if !extra.is_null() && !params.is_null() {
            return invalid("parameters both in the list `kernelParams` and in `extra`");
        }
        if !extra.is_null() {
            // SAFETY: the caller's promise.
            return unsafe { buffer(extra, bytes.len()) };
        }
        if params.is_null() && !kernel.params.is_empty() {
            return invalid(format!("no parameters for `{}`, which takes {}", kernel.name, kernel.params.len()));
        }
        for (i, param) in kernel.params.iter().enumerate() {
            // SAFETY: the caller promises a pointer to each parameter's bytes.
            unsafe {
                let from = params.add(i).read().cast::<u8>();
                if from.is_null() {
                    return invalid(format!("a null pointer for parameter {i} of `{}`", kernel.name));
                }
                let from = std::slice::from_raw_parts(from, param.bytes);
                bytes[param.offset..param.offset + param.bytes].copy_from_slice(from);
            }
        }
        Ok(bytes)
    }
}

/// The parameters of `extra`: a list of (1, buffer), (2, size) and an end, 0.
unsafe fn buffer(extra: *const Raw, bytes: usize) -> Result<Vec<u8>> {
    let (mut from, mut size) = (std::ptr::null::<u8>(), None);
    for i in 0.. {
        // SAFETY: the caller promises a list with an end.
        unsafe {
            match extra.add(2 * i).read().addr() {
                0 => break,
                1 => from = extra.add(2 * i + 1).read().cast(),
                2 => {
                    let at = extra.add(2 * i + 1).read().cast::<usize>();
                    if at.is_null() {
                        return invalid("a null pointer for the size of a launch's buffer");
                    }
                    size = Some(at.read());
                }
                other => return invalid(format!("{other:#x} in the list `extra` of a launch")),
            }
        }
    }
    match size {
        // SAFETY: the caller promises as many bytes.
        Some(size) if !from.is_null() && size >= bytes => {
            Ok(unsafe { std::slice::from_raw_parts(from, bytes) }.to_vec())
        }
        _ if bytes == 0 => Ok(Vec::new()),
        _ => invalid(format!("a buffer of {size:?} bytes for {bytes} bytes of parameters")),
    }
}

#[allow(clippy::too_many_arguments)] // the driver's
pub unsafe fn launch(
    function: Raw,
    x: u32,
    y: u32,
    z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared: u32,
    stream: Raw,
    params: *const Raw,
    extra: *const Raw,
) -> Result {
    let stream = stream::get(stream)?;
    let function = library::function(function)?;
    if !Arc::ptr_eq(&function.context, &stream.context) {
        return Err(Error::new(Code::INVALID_HANDLE, "the function and the stream belong to different contexts"));
    }
    // SAFETY: the caller's promise.
    let launch = unsafe { Launch::new(function, [[x, y, z], [block_x, block_y, block_z]], shared, params, extra) }?;
    stream.submit(Arc::new(launch))
}

/// `CUlaunchConfig`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    stream: Raw,
    attributes: *const Attribute,
    count: u32,
}

/// `CUlaunchAttribute`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Attribute {
    number: u32,
    pad: u32,
    value: [u32; 16],
}

pub unsafe fn launch_ex(config: *const Config, function: Raw, params: *const Raw, extra: *const Raw) -> Result {
    // SAFETY: the caller's promise.
    let config = unsafe { read(config) }?;
    if !config.attributes.is_null() {
        for i in 0..config.count as usize {
            // SAFETY: the caller promises so many.
            let Attribute { number, value, .. } = unsafe { config.attributes.add(i).read() };
            match number {
                2 if value[0] != 0 => return Err(Error::new(Code::NOT_SUPPORTED, "cooperative launches")),
                4 if value[..3].iter().any(|&n| n > 1) => {
                    return Err(Error::new(Code::NOT_SUPPORTED, "clusters of more than one block"));
                }
                7 | 12 | 13 => {
                    return Err(Error::new(Code::NOT_SUPPORTED, format!("the launch attribute {number}")));
                }
                // Hints, and overlap that a stream's order is a legal case of.
                _ => {}
            }
        }
    }
    let ([x, y, z], [block_x, block_y, block_z]) = (config.grid, config.block);
    // SAFETY: the caller's promise.
    unsafe { launch(function, x, y, z, block_x, block_y, block_z, config.shared, config.stream, params, extra) }
}

pub unsafe fn get_attribute(value: *mut c_int, attribute: u32, function: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(value, library::function(function)?.attribute(attribute)?) }
}

pub unsafe fn set_attribute(function: Raw, attribute: u32, value: c_int) -> Result {
    library::function(function)?.set_attribute(attribute, value)
}

pub unsafe fn set_cache_config(function: Raw, _config: u32) -> Result {
    library::function(function).map(|_| ())
}

pub unsafe fn get_module(module: *mut Raw, function: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(module, library::function(function)?.module()) }
}

pub unsafe fn get_name(name: *mut *const c_char, function: Raw) -> Result {
    // SAFETY: the caller's promise; the name lives as long as the function.
    unsafe { put(name, library::function(function)?.name.as_ptr()) }
}

pub unsafe fn param_info(function: Raw, index: usize, offset: *mut usize, bytes: *mut usize) -> Result {
    let function = library::function(function)?;
    let Some(param) = function.kernel.params.get(index) else {
        return invalid(format!("`{}` has no parameter {index}", function.kernel.name));
    };
    // SAFETY: the caller's promise; the size may be null.
    unsafe {
        put(offset, param.offset)?;
        if bytes.is_null() { Ok(()) } else { put(bytes, param.bytes) }
    }
}

pub unsafe fn is_loaded(state: *mut u32, function: Raw) -> Result {
    library::function(function)?;
    // SAFETY: the caller's promise.
    unsafe { put(state, 1) }
}

pub unsafe fn load(function: Raw) -> Result {
    library::function(function).map(|_| ())
}

/// How many blocks of so many threads and so much dynamic shared memory a multiprocessor has room for.
fn resident(function: &Function, threads: u32, shared: usize) -> u32 {
    if threads == 0 || threads > device::THREADS || function.kernel.max_threads.is_some_and(|most| threads > most) {
        return 0;
    }
    let of_block = function.kernel.shared.saturating_add(shared);
    if of_block > device::SHARED_OPT_IN {
        return 0;
    }
    let by_threads = device::THREADS_OF_MULTIPROCESSOR / threads.next_multiple_of(32);
    let by_shared = device::SHARED_OF_MULTIPROCESSOR / (of_block + device::SHARED_RESERVED);
    by_threads.min(by_shared as u32).min(device::BLOCKS)
}

pub unsafe fn max_active_blocks(blocks: *mut c_int, function: Raw, threads: c_int, shared: usize) -> Result {
    context::current()?;
    let function = library::function(function)?;
    let Ok(threads @ 1..) = u32::try_from(threads) else { return invalid(format!("blocks of {threads} threads")) };
    // SAFETY: the caller's promise.
    unsafe { put(blocks, resident(&function, threads, shared) as c_int) }
}

pub unsafe fn max_active_blocks_with_flags(
    blocks: *mut c_int,
    function: Raw,
    threads: c_int,
    shared: usize,
    _flags: u32,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe { max_active_blocks(blocks, function, threads, shared) }
}

/// `CUoccupancyB2DSize`.
pub type SharedOfBlock = unsafe extern "C" fn(c_int) -> usize;

pub unsafe fn max_potential_block(
    grid: *mut c_int,
    block: *mut c_int,
    function: Raw,
    shared_of: Option<SharedOfBlock>,
    shared: usize,
    limit: c_int,
) -> Result {
    let context = context::current()?;
    let function = library::function(function)?;
    let limit = if limit <= 0 { device::THREADS } else { (limit as u32).min(device::THREADS) };
    let best = (1..=limit.div_ceil(32)).map(|warps| (warps * 32).min(limit)).map(|threads| {
        // SAFETY: the caller gave the function to be called with sizes of blocks.
        let shared = shared_of.map_or(shared, |of| unsafe { of(threads as c_int) });
        (resident(&function, threads, shared) * threads, threads, resident(&function, threads, shared))
    });
    let Some((_, threads, blocks)) = best.max() else { return invalid("no block size") };
    // SAFETY: the caller's promise.
    unsafe {
        put(grid, blocks as c_int * context.device.multiprocessors())?;
        put(block, threads as c_int)
    }
}

pub unsafe fn max_potential_block_with_flags(
    grid: *mut c_int,
    block: *mut c_int,
    function: Raw,
    shared_of: Option<SharedOfBlock>,
    shared: usize,
    limit: c_int,
    _flags: u32,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe { max_potential_block(grid, block, function, shared_of, shared, limit) }
}

pub unsafe fn available_shared(bytes: *mut usize, function: Raw, blocks: c_int, _threads: c_int) -> Result {
    let function = library::function(function)?;
    let Ok(blocks @ 1..) = usize::try_from(blocks) else { return invalid(format!("{blocks} blocks")) };
    let each = (device::SHARED_OF_MULTIPROCESSOR / blocks).saturating_sub(device::SHARED_RESERVED);
    let free = each.min(device::SHARED_OPT_IN).saturating_sub(function.kernel.shared);
    // SAFETY: the caller's promise.
    unsafe { put(bytes, free) }
}

/// `CUDA_KERNEL_NODE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NodeParams {
    /// The function.
    pub function: Raw,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    params: *const Raw,
    extra: *const Raw,
    /// The kernel of a library, in place of a function.
    kernel: Raw,
    context: Raw,
}

impl NodeParams {
    /// The launch that they describe.
    ///
    /// # Errors
    /// As [`Launch::new`].
    ///
    /// # Safety
    /// As [`Launch::new`].
    pub unsafe fn launch(&self) -> Result<Launch> {
        let function = library::function(if self.function.is_null() { self.kernel } else { self.function })?;
        // SAFETY: the caller's promise.
        unsafe { Launch::new(function, [self.grid, self.block], self.shared, self.params, self.extra) }
    }

    /// What describes `launch`, with the pointers to its parameters kept in `pointers`.
    pub fn of(launch: &Launch, pointers: &[*const c_void]) -> NodeParams {
        NodeParams {
            function: std::ptr::without_provenance_mut(launch.function.handle),
            grid: launch.grid.0,
            block: launch.block.0,
            shared: launch.shared,
            params: pointers.as_ptr().cast(),
            extra: std::ptr::null(),
            kernel: std::ptr::null_mut(),
            context: std::ptr::null_mut(),
        }
    }
}

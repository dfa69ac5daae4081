//! Kernels on the card: loading their modules, and launching them.

use super::context::{CudaDevice, Turn};
use super::driver::{Driver, Handle, Relaxed, Version, check, lock, ptx_too_new};
use super::kernel_table::{ENTRIES, Entry, HAVE_KERNELS, Kernel, MODULES, PTX_VERSION};
use crate::device::Elements;
use crate::dtype::DType;
use crate::error::{CudaError, Error, Result};
use cudarc::driver::sys::{self, CUresult};
use smallvec::SmallVec;
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed as Unordered};
use std::sync::{Mutex, OnceLock};

/// How many blocks of how many threads a kernel runs on.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Blocks along x, y and z; a launch of none does nothing.
    pub blocks: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Grid {
    /// Enough blocks of 256 threads for a grid-stride loop over `n` elements; none for none.
    pub fn elements(n: usize) -> Grid {
        let blocks = n.div_ceil(256 * 4).min(132 * 16) as u32;
        Grid { blocks: [blocks, 1, 1], threads: 256, shared: 0 }
    }

    /// One block of `threads` a row; the kernel strides over the rows beyond 2³¹ − 1.
    pub fn rows(rows: usize, threads: u32) -> Grid {
        Grid { blocks: [rows.min(i32::MAX as usize) as u32, 1, 1], threads, shared: 0 }
    }

    /// Whether CUDA takes it: what it would not launch, and what the constructors do not make.
    fn check(&self, kernel: &str) -> Result<()> {
        let [x, y, z] = self.blocks;
        if x <= i32::MAX as u32 && y <= 65_535 && z <= 65_535 && (1..=1024).contains(&self.threads) {
            return Ok(());
        }
        Err(Error::Internal(format!("{kernel}: no card takes {self:?}")))
    }
}

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A pointer to device memory; 0 stands for none.
    Ptr(u64),
    /// `long long`.
    I64(i64),
    /// `int`.
    I32(i32),
    /// `unsigned`.
    U32(u32),
    /// `float`.
    F32(f32),
    /// `double`.
    F64(f64),
}

impl Arg {
    /// Where a tensor's elements stand, for reading.
    pub fn input(tensor: &dyn Elements) -> Result<Arg> {
        Ok(Arg::Ptr(tensor.cuda_block()?.pointer()))
    }

    /// Where a tensor's elements stand, for writing.
    pub fn output(tensor: &dyn Elements) -> Result<Arg> {
        Arg::input(tensor)
    }

    /// Where the value stands, and how many bytes it has.
    fn place(&self) -> (*mut c_void, u16) {
        fn of<T>(value: &T) -> (*mut c_void, u16) {
            (std::ptr::from_ref(value).cast_mut().cast(), size_of::<T>() as u16)
        }
        match self {
            Arg::Ptr(value) => of(value),
            Arg::I64(value) => of(value),
            Arg::I32(value) => of(value),
            Arg::U32(value) => of(value),
            Arg::F32(value) => of(value),
            Arg::F64(value) => of(value),
        }
    }
}

/// The modules and functions of a device, each loaded when it is first used.
pub(super) struct Functions {
    /// In the order of [`ENTRIES`].
    functions: Box<[OnceLock<Function>]>,
    /// In the order of [`MODULES`].
    modules: Mutex<Vec<Option<Handle<sys::CUmod_st>>>>,
}

struct Function {
    handle: Handle<sys::CUfunc_st>,
    /// Bytes of dynamic shared memory that the driver lets it have.
    shared: AtomicU32,
}

/// What every function may have without asking.
const SHARED: u32 = 48 << 10;

impl Functions {
    pub fn new() -> Functions {
        Functions {
            functions: ENTRIES.iter().map(|_| OnceLock::new()).collect(),
            modules: Mutex::new(vec![None; MODULES.len()]),
        }
    }

    /// The function of the entry `place`.
    fn get(&self, place: usize, _turn: &Turn) -> Result<&Function> {
        let cell = &self.functions[place];
        if let Some(function) = cell.get() {
            return Ok(function);
        }
        let entry = &ENTRIES[place];
        let _relaxed = Relaxed::enter()?;
        let module = self.module(entry.module)?;
        let name = c_string(entry.name)?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the module is loaded and stays so, its context is current in a turn; the handle is written.
        let result = unsafe { sys::cuModuleGetFunction(&mut handle, module.0, name.as_ptr()) };
        check(result, || format!("cuModuleGetFunction of {} in {}.cu", entry.name, entry.module))?;
        Ok(cell.get_or_init(|| Function { handle: Handle(handle), shared: AtomicU32::new(SHARED) }))
    }

    fn module(&self, name: &str) -> Result<Handle<sys::CUmod_st>> {
        let Some(place) = MODULES.iter().position(|(module, _)| *module == name) else {
            return Err(Error::Internal(format!("the table of kernels names no module {name}")));
        };
        let mut modules = lock(&self.modules);
        if let Some(module) = modules[place] {
            return Ok(module);
        }
        let module = load_module(name, MODULES[place].1)?;
        modules[place] = Some(module);
        Ok(module)
    }
}

/// Has the driver translate PTX for the card.
fn load_module(name: &str, ptx: &str) -> Result<Handle<sys::CUmod_st>> {
    let image = c_string(ptx)?;
    let mut log = vec![0u8; 4096];
    let mut options =
        [sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER, sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    // The driver takes numbers in the guise of pointers.
    let mut values = [log.as_mut_ptr().cast::<c_void>(), std::ptr::without_provenance_mut(log.len())];
    let mut module = std::ptr::null_mut();
    // SAFETY: the image ends in a zero; the options and their values are two of each, and the log is as long as the
    // second says; all live through the call, and the handle is written.
    let result = unsafe {
        sys::cuModuleLoadDataEx(&mut module, image.as_ptr().cast(), 2, options.as_mut_ptr(), values.as_mut_ptr())
    };
    if result == CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION {
        let ptx = Version::new(PTX_VERSION.0, PTX_VERSION.1);
        return Err(ptx_too_new(Driver::get()?.version, ptx, ptx.cuda_of_ptx().unwrap_or(ptx)).into());
    }
    check(result, || format!("cuModuleLoadDataEx of {name}.cu")).map_err(|error| {
        let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        let log = String::from_utf8_lossy(&log[..end]);
        match error {
            CudaError::Call { call, name, message } if !log.trim().is_empty() => {
                CudaError::Call { call, name, message: format!("{message}; {}", log.trim()) }
            }
            error => error,
        }
    })?;
    Ok(Handle(module))
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Internal("a kernel's name or PTX has a zero in it".into()))
}

impl CudaDevice {
    /// Puts `kernel` for `dtype` on the compute stream; a grid without blocks is no launch.
    ///
    /// # Errors
    /// Arguments of other sizes than the signature in the PTX has; a dtype without a kernel; a driver that fails.
    pub(crate) fn launch(&self, kernel: &Kernel, dtype: DType, grid: Grid, args: &[Arg]) -> Result<()> {
        let Some(place) = kernel.entry(dtype) else {
            return Err(match HAVE_KERNELS {
                true => Error::dtype(kernel.name, format!("there is no CUDA kernel for {dtype}")),
                false => CudaError::NoKernels.into(),
            });
        };
        let entry = &ENTRIES[place];
        check_args(entry, args)?;
        grid.check(entry.name)?;
        if grid.blocks.contains(&0) {
            return Ok(());
        }
        let turn = self.turn()?;
        let function = self.functions.get(place, &turn)?;
        if grid.shared > function.shared.load(Unordered) {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is loaded.
            let result = unsafe { sys::cuFuncSetAttribute(function.handle.0, attribute, grid.shared as i32) };
            check(result, || format!("cuFuncSetAttribute: {} bytes of shared memory for {}", grid.shared, entry.name))?;
            function.shared.store(grid.shared, Unordered);
        }
        let mut values: SmallVec<[*mut c_void; 32]> = args.iter().map(|arg| arg.place().0).collect();
        let [x, y, z] = grid.blocks;
        // SAFETY: the function and the stream live; `values` points to as many values of the right sizes as the entry has
        // parameters (`check_args`), which the driver copies before it returns. That the kernel stays inside the memory
        // that they name is the op's promise, tested against the CPU.
        let result = unsafe {
            sys::cuLaunchKernel(
                function.handle.0,
                x,
                y,
                z,
                grid.threads,
                1,
                1,
                grid.shared,
                self.compute(),
                values.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        let call = || {
            let Grid { threads, shared, .. } = grid;
            format!(
                "cuLaunchKernel of {} on {x}×{y}×{z} blocks of {threads} threads, {shared} bytes shared",
                entry.name
            )
        };
        check(result, call)?;
        Ok(())
    }
}

/// Whether the arguments have the sizes of the entry's parameters.
fn check_args(entry: &Entry, args: &[Arg]) -> Result<()> {
    let sizes = args.iter().map(|arg| arg.place().1);
    if sizes.clone().eq(entry.params.iter().copied()) {
        return Ok(());
    }
    let sizes: Vec<_> = sizes.collect();
    Err(Error::Internal(format!(
        "{}: the kernel takes parameters of {:?} bytes, it was given {sizes:?}",
        entry.name, entry.params
    )))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::Device;

    #[test]
    fn arguments_of_wrong_number_or_size_are_refused() {
        let entry = Entry { module: "fill", name: "fill_f32", params: &[8, 4, 8] };
        assert!(check_args(&entry, &[Arg::Ptr(0), Arg::F32(0.0), Arg::I64(0)]).is_ok());
        assert!(check_args(&entry, &[Arg::Ptr(0), Arg::U32(0), Arg::I64(0)]).is_ok());
        for wrong in [&[Arg::Ptr(0), Arg::F64(0.0), Arg::I64(0)][..], &[Arg::Ptr(0), Arg::F32(0.0)], &[]] {
            let error = check_args(&entry, wrong).unwrap_err().to_string();
            assert!(error.contains("fill_f32: the kernel takes parameters of [8, 4, 8] bytes"), "{error}");
        }
    }

    #[test]
    fn arguments_are_passed_by_address() {
        let args = [Arg::Ptr(0x1234_5678_9abc), Arg::I64(-2), Arg::I32(-3), Arg::U32(4), Arg::F32(0.5), Arg::F64(0.25)];
        let bytes = args.each_ref().map(|arg| {
            let (place, size) = arg.place();
            // SAFETY: `place` is inside `args`, which lives, and that many bytes are the value.
            unsafe { std::slice::from_raw_parts(place.cast::<u8>(), size as usize) }.to_vec()
        });
        assert_eq!(bytes[0], 0x1234_5678_9abcu64.to_ne_bytes());
        assert_eq!(bytes[1], (-2i64).to_ne_bytes());
        assert_eq!(bytes[2], (-3i32).to_ne_bytes());
        assert_eq!(bytes[3], 4u32.to_ne_bytes());
        assert_eq!(bytes[4], 0.5f32.to_ne_bytes());
        assert_eq!(bytes[5], 0.25f64.to_ne_bytes());
    }

    #[test]
    fn grids_cover_and_stay_in_bounds() {
        assert_eq!(Grid::elements(0).blocks, [0, 1, 1]);
        assert_eq!(Grid::elements(1).blocks, [1, 1, 1]);
        assert_eq!(Grid::elements(1025).blocks, [2, 1, 1]);
        assert!(Grid::elements(usize::MAX).check("k").is_ok());
        assert!(Grid::rows(usize::MAX, 1024).check("k").is_ok());
        assert!(Grid { blocks: [1, 65_536, 1], threads: 1, shared: 0 }.check("k").is_err());
        assert!(Grid::rows(1, 0).check("k").is_err() && Grid::rows(1, 1025).check("k").is_err());
    }

    #[test]
    fn every_entry_of_every_module_loads() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        let turn = device.turn()?;
        for place in 0..ENTRIES.len() {
            device.functions.get(place, &turn)?;
        }
        Ok(())
    }

    #[test]
    fn a_kernel_fills() -> Result<()> {
        static FILL: Kernel = Kernel::new("fill", "fill", &[DType::F32]);
        let Some(device) = testing::device() else { return Ok(()) };
        for n in [0, 1, 33, 70_001] {
            let tensor = crate::Tensor::zeros(&Device::Cuda(device.clone()), n, DType::F32)?;
            let args = [Arg::output(&tensor)?, Arg::F32(0.1), Arg::I64(n as i64)];
            device.launch(&FILL, DType::F32, Grid::elements(n), &args)?;
            assert_eq!(tensor.to_vec::<f32>()?, vec![0.1; n]);
            assert!(matches!(device.launch(&FILL, DType::F64, Grid::elements(n), &args), Err(Error::DType { .. })));
        }
        Ok(())
    }
}

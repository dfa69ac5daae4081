//! Matrix products by cuBLAS.

use super::context::CudaDevice;
use super::driver::{Handle, Relaxed, Version, load, lock};
use super::kernel_table::Kernel;
use super::launch::{Arg, Grid};
use super::lt::Lt;
use super::product::{Gemm, Product};
use crate::device::Elements;
use crate::dtype::DType;
use crate::error::{CudaError, Result};
use cudarc::cublas::sys as blas;
use cudarc::cublas::sys::{cublasComputeType_t as Compute, cublasOperation_t as Transpose, cudaDataType as Type};
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed as Unordered};

pub(super) const SYMBOLS: &[&str] = &[
    "cublasCreate_v2",
    "cublasDestroy_v2",
    "cublasGemmStridedBatchedEx",
    "cublasGetProperty",
    "cublasGetStatusName",
    "cublasGetStatusString",
    "cublasSetMathMode",
    "cublasSetStream_v2",
    "cublasSetWorkspace_v2",
];

static ADD_BIAS: Kernel = Kernel::new("product", "add_bias", &DType::FLOATS);

/// Whether f32 products may round their factors to TF32, as `UNCRUMPLE_TF32=1` or [`set_tf32`] asks; by default no.
pub fn tf32() -> bool {
    TF32.get_or_init(tf32_of_environment).load(Unordered)
}

/// Lets f32 products round their factors to TF32's 10 bits of mantissa (2⁻¹¹ relative), which tensor cores multiply
/// several times faster; for the whole process. Graphs that were captured keep what they were captured with.
pub fn set_tf32(allow: bool) {
    TF32.get_or_init(tf32_of_environment).store(allow, Unordered);
}

static TF32: OnceLock<AtomicBool> = OnceLock::new();

fn tf32_of_environment() -> AtomicBool {
    AtomicBool::new(std::env::var_os("UNCRUMPLE_TF32").is_some_and(|value| value == "1"))
}

/// Opens cuBLAS, once.
pub(super) fn open() -> Result<(), CudaError> {
    static CUBLAS: OnceLock<Result<(), CudaError>> = OnceLock::new();
    let none = |(searched, reason)| CudaError::NoCublas { library: "cuBLAS", searched, reason };
    CUBLAS.get_or_init(|| load(&["cublas"], SYMBOLS).map_err(none)).clone()
}

/// Its version: major, minor, patch.
pub(super) fn version() -> Result<[i32; 3], CudaError> {
    open()?;
    let mut version = [0; 3];
    use blas::libraryPropertyType::{MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
    for (part, property) in version.iter_mut().zip([MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL]) {
        // SAFETY: the library is open; the number is written.
        check(unsafe { blas::cublasGetProperty(property, part) }, || "cublasGetProperty".into())?;
    }
    Ok(version)
}

/// An error for a call that failed; `call` says what was called and for what.
fn check(status: blas::cublasStatus_t, call: impl FnOnce() -> String) -> Result<(), CudaError> {
    if status == blas::cublasStatus_t::CUBLAS_STATUS_SUCCESS {
        return Ok(());
    }
    // SAFETY: the library is open; both return constant strings.
    let texts = unsafe { [blas::cublasGetStatusName(status), blas::cublasGetStatusString(status)] };
    Err(failure(call(), texts))
}

/// The error of a call from its status's name and explanation, constant strings or null.
pub(super) fn failure(call: String, texts: [*const c_char; 2]) -> CudaError {
    let [name, message] = texts.map(|text| match text.is_null() {
        true => "unknown status".to_string(),
        // SAFETY: cuBLAS's strings end in a zero and live as long as it does.
        false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
    });
    CudaError::Call { call, name, message }
}

/// The factors α and β of a product, in the type that it is computed in.
pub(super) struct Scale {
    single: f32,
    double: f64,
}

impl Scale {
    pub const ONE: Scale = Scale { single: 1.0, double: 1.0 };
    pub const ZERO: Scale = Scale { single: 0.0, double: 0.0 };

    pub fn of(&self, dtype: DType) -> *const c_void {
        match dtype {
            DType::F64 => (&raw const self.double).cast(),
            _ => (&raw const self.single).cast(),
        }
    }
}

/// Where a product's matrices stand: left, right, out.
pub(super) type Places = [u64; 3];

/// Memory that cuBLAS works in: address and bytes. Given once, so that a product takes none, even in a graph.
#[derive(Clone, Copy)]
pub(super) struct Workspace {
    pub address: u64,
    pub bytes: usize,
}

/// A handle of cuBLAS, which goes where setting it up fails.
struct Context(Handle<blas::cublasContext>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: nobody uses the handle again. A failure changes nothing.
        let _ = unsafe { blas::cublasDestroy_v2(self.0.0) };
    }
}

/// cuBLAS on one device.
pub(super) struct Products {
    context: Context,
    workspace: Workspace,
    lt: Option<Lt>,
}

impl Products {
    fn new(device: &CudaDevice) -> Result<Products> {
        open()?;
        let capturing = device.pool.capture(device).is_some();
        let _relaxed = Relaxed::enter()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library is open, and the caller's turn made the context current; the handle is written.
        check(unsafe { blas::cublasCreate_v2(&mut handle) }, || "cublasCreate".into())?;
        let context = Context(Handle(handle));
        let math = blas::cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
        // SAFETY: handle and stream live as long as the device. The flag alone is the default mode otherwise; with it,
        // partial sums stay f32.
        unsafe {
            check(blas::cublasSetStream_v2(handle, device.compute().cast()), || "cublasSetStream".into())?;
            check(blas::cublasSetMathMode(handle, math), || "cublasSetMathMode".into())?;
        }
        // What NVIDIA recommends from Hopper on, and before; whole size classes of the pool.
        let bytes = if device.capability() >= Version::new(9, 0) { 32 << 20 } else { 8 << 20 };
        let address = device.allocate_from_driver(bytes, capturing)?;
        let place = std::ptr::without_provenance_mut(address as usize);
        // SAFETY: the workspace lives as long as the handle; it comes after the stream, which resets it.
        let set = check(unsafe { blas::cublasSetWorkspace_v2(handle, place, bytes) }, || "cublasSetWorkspace".into());
        if let Err(error) = set {
            device.pool.keep(bytes, address);
            return Err(error.into());
        }
        Ok(Products { context, workspace: Workspace { address, bytes }, lt: None })
    }

    fn lt(&mut self) -> Result<&mut Lt> {
        match &mut self.lt {
            Some(lt) => Ok(lt),
            empty => Ok(empty.insert(Lt::new(self.workspace)?)),
        }
    }

    fn multiply(&self, gemm: &Gemm, dtype: DType, places: Places) -> Result<()> {
        let (kind, compute) = match dtype {
            DType::F64 => (Type::CUDA_R_64F, Compute::CUBLAS_COMPUTE_64F),
            DType::F16 => (Type::CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F),
            DType::BF16 => (Type::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
            _ if tf32() => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32),
            _ => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F),
        };
        let operation = |transposed| if transposed { Transpose::CUBLAS_OP_T } else { Transpose::CUBLAS_OP_N };
        let [left, right, out] = places.map(|place| std::ptr::without_provenance_mut::<c_void>(place as usize));
        // SAFETY: the handle lives, and the caller's turn keeps other threads away from it; the matrices are on the device
        // and as large as the sizes say (`Product::check`); α and β are constants of the type that is computed in.
        let status = unsafe {
            blas::cublasGemmStridedBatchedEx(
                self.context.0.0,
                operation(gemm.left.transposed),
                operation(gemm.right.transposed),
                gemm.m,
                gemm.n,
                gemm.k,
                Scale::ONE.of(dtype),
                left,
                kind,
                gemm.left.leading,
                gemm.left.stride,
                right,
                kind,
                gemm.right.leading,
                gemm.right.stride,
                Scale::ZERO.of(dtype),
                out,
                kind,
                gemm.out.leading,
                gemm.out.stride,
                gemm.batch,
                compute,
                blas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        check(status, || format!("cublasGemmStridedBatchedEx of {dtype} {gemm:?}"))?;
        Ok(())
    }
}

impl CudaDevice {
    /// `out = a · b`, plus the bias where there is one.
    ///
    /// f32 is computed in f32 (see [`set_tf32`]), f64 in f64, f16 and bf16 with sums in f32.
    ///
    /// # Errors
    /// Tensors of another device, dtype or size than the product's.
    pub(crate) fn matmul(&self, product: &Product) -> Result<()> {
        product.check()?;
        let &Product { a, b, out, bias, m, n, k, batch, .. } = product;
        let (dtype, size) = (out.dtype(), batch * m * n);
        if size == 0 {
            return Ok(());
        }
        let place = |tensor: &dyn Elements| -> Result<u64> {
            let block = tensor.cuda_block()?;
            self.owns(block, tensor.shape().size() * tensor.dtype().size())?;
            Ok(block.pointer())
        };
        let _turn = self.turn()?;
        let follow = |device: &CudaDevice| match bias {
            Some(bias) => device.add_bias(bias, out, n),
            None => Ok(()),
        };
        if k == 0 {
            self.fill(out.cuda_block()?, &[0; 8][..dtype.size()], size)?;
            return follow(self);
        }
        let gemm = product.gemm()?;
        let places = [place(b)?, place(a)?, place(out)?];
        let mut products = lock(&self.products);
        let products = match &mut *products {
            Some(products) => products,
            empty => empty.insert(Products::new(self)?),
        };
        // f64 is for checking: what cuBLASLt does not promise for it, the kernel does.
        if let Some(bias) = bias.filter(|_| dtype != DType::F64)
            && products.lt()?.multiply(self, &gemm, dtype, places, place(bias)?)?
        {
            return Ok(());
        }
        products.multiply(&gemm, dtype, places)?;
        follow(self)
    }

    /// The bias, in place, where cuBLASLt has no algorithm that adds it.
    fn add_bias(&self, bias: &dyn Elements, out: &dyn Elements, n: usize) -> Result<()> {
        let size = out.shape().size();
        let args = [Arg::input(bias)?, Arg::output(out)?, Arg::I64(size as i64), Arg::I64(n as i64)];
        self.launch(&ADD_BIAS, out.dtype(), Grid::elements(size), &args)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::device::cpu::convert::Convert;
    use crate::{Device, Tensor, with_dtype};

    #[test]
    fn a_missing_cublas_is_an_error() {
        if let Err(error) = version() {
            assert!(error.to_string().starts_with("no cuBLAS: "), "{error}");
        }
    }

    #[test]
    fn tf32_is_off_until_asked_for() {
        assert!(!tf32() || std::env::var_os("UNCRUMPLE_TF32").is_some());
    }

    /// Small whole numbers, whose products every dtype holds exactly.
    fn whole(n: usize, start: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7 + start) % 5) as f32 - 2.0).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(cuda.clone());
        for [m, n, k] in [[1, 1, 1], [3, 5, 7], [33, 17, 29], [64, 128, 32], [4, 3, 0]] {
            for flags in 0..8 {
                let flag = |bit: usize| flags & bit != 0;
                let (transpose_a, transpose_b) = (flag(1), flag(2));
                for batch in [1, 3] {
                    let (a, b, bias) = (whole(batch * m * k, 0), whole(k * n, 3), whole(n, 1));
                    let mut expected = Vec::new();
                    for (item, i, j) in (0..batch * m * n).map(|x| (x / (m * n), x / n % m, x % n)) {
                        let a = |l: usize| a[item * m * k + if transpose_a { l * m + i } else { i * k + l }];
                        let b = |l: usize| b[if transpose_b { j * k + l } else { l * n + j }];
                        expected.push((0..k).map(|l| a(l) * b(l)).sum::<f32>() + if flag(4) { bias[j] } else { 0.0 });
                    }
                    for dtype in DType::FLOATS {
                        let put = |data: &[f32]| {
                            with_dtype!(dtype, T => {
                                let data: Vec<T> = data.iter().map(|&x| T::from_f64(x.into())).collect();
                                Tensor::from_slice(&data, data.len())?.to_device(&device)
                            })
                        };
                        let (a, b, bias) = (put(&a)?, put(&b)?, put(&bias)?);
                        let out = Tensor::full(&device, batch * m * n, dtype, f64::NAN)?;
                        cuda.matmul(&Product {
                            bias: flag(4).then_some(&bias),
                            batch,
                            transpose_a,
                            transpose_b,
                            stride_b: 0,
                            ..Product::new(&a, &b, &out, [m, n, k])
                        })?;
                        let out = out.to_device(&Device::Cpu)?;
                        let got: Vec<f32> = with_dtype!(dtype, T => {
                            out.data::<T>()?.iter().map(|x| x.to_f64() as f32).collect()
                        });
                        assert_eq!(got, expected, "{dtype} {m} {n} {k} {flags} {batch}");
                    }
                }
            }
        }
        Ok(())
    }
}

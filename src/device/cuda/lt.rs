//! Matrix products by cuBLASLt, which adds a bias on the way out. Its ReLU is not used, since it makes 0 of NaN.

use super::context::CudaDevice;
use super::cublas::{Places, Scale, Workspace, failure, tf32};
use super::driver::{Handle, Relaxed, load};
use super::product::{Factor, Gemm};
use crate::dtype::DType;
use crate::error::{CudaError, Error, Result};
use cudarc::cublas::sys::cublasOperation_t as Transpose;
use cudarc::cublaslt::sys as lt;
use cudarc::cublaslt::sys::{
    cublasComputeType_t as Compute, cublasLtEpilogue_t as Epilogue, cublasLtMatmulDescAttributes_t as Attribute,
    cublasLtMatmulPreferenceAttributes_t as Preference, cublasLtMatrixLayoutAttribute_t as LayoutAttribute,
    cublasStatus_t as Status, cudaDataType as Type,
};
use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

pub(super) const SYMBOLS: &[&str] = &[
    "cublasLtCreate",
    "cublasLtGetProperty",
    "cublasLtGetStatusName",
    "cublasLtGetStatusString",
    "cublasLtMatmul",
    "cublasLtMatmulAlgoGetHeuristic",
    "cublasLtMatmulDescCreate",
    "cublasLtMatmulDescDestroy",
    "cublasLtMatmulDescSetAttribute",
    "cublasLtMatmulPreferenceCreate",
    "cublasLtMatmulPreferenceDestroy",
    "cublasLtMatmulPreferenceSetAttribute",
    "cublasLtMatrixLayoutCreate",
    "cublasLtMatrixLayoutDestroy",
    "cublasLtMatrixLayoutSetAttribute",
];

/// Opens cuBLASLt, once.
pub(super) fn open() -> Result<(), CudaError> {
    static CUBLASLT: OnceLock<Result<(), CudaError>> = OnceLock::new();
    let none = |(searched, reason)| CudaError::NoCublas { library: "cuBLASLt", searched, reason };
    CUBLASLT.get_or_init(|| load(&["cublasLt"], SYMBOLS).map_err(none)).clone()
}

/// Its version: major, minor, patch.
pub(super) fn version() -> Result<[i32; 3], CudaError> {
    open()?;
    let mut version = [0; 3];
    use lt::libraryPropertyType::{MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
    for (part, property) in version.iter_mut().zip([MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL]) {
        // SAFETY: the library is open; the number is written.
        check(unsafe { lt::cublasLtGetProperty(property, part) }, || "cublasLtGetProperty".into())?;
    }
    Ok(version)
}

fn check(status: Status, call: impl FnOnce() -> String) -> Result<(), CudaError> {
    if status == Status::CUBLAS_STATUS_SUCCESS {
        return Ok(());
    }
    // SAFETY: the library is open; both return constant strings.
    let texts = unsafe { [lt::cublasLtGetStatusName(status), lt::cublasLtGetStatusString(status)] };
    Err(failure(call(), texts))
}

/// A descriptor of cuBLASLt, destroyed with its owner.
struct Descriptor<T>(Handle<T>, unsafe fn(*mut T) -> Status);

impl<T> Drop for Descriptor<T> {
    fn drop(&mut self) {
        // SAFETY: the descriptor was made by the library, and the function is the one that destroys its kind.
        let _ = unsafe { (self.1)(self.0.0) };
    }
}

type Operation = Descriptor<lt::cublasLtMatmulDescOpaque_t>;
type Layout = Descriptor<lt::cublasLtMatrixLayoutOpaque_t>;

/// What an algorithm is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    gemm: Gemm,
    dtype: DType,
    tf32: bool,
}

/// How a product of one key is computed.
struct Plan {
    operation: Operation,
    layouts: [Layout; 3],
    algorithm: lt::cublasLtMatmulAlgo_t,
}

/// cuBLASLt on one device.
pub(super) struct Lt {
    handle: Handle<lt::cublasLtContext>,
    workspace: Workspace,
    /// The plan of each key that was met; `None` where the library has no algorithm.
    plans: HashMap<Key, Option<Plan>>,
}

impl Lt {
    pub fn new(workspace: Workspace) -> Result<Lt> {
        open()?;
        let _relaxed = Relaxed::enter()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the library is open, and the caller's turn made the context current; the handle is written.
        check(unsafe { lt::cublasLtCreate(&mut handle) }, || "cublasLtCreate".into())?;
        Ok(Lt { handle: Handle(handle), workspace, plans: HashMap::new() })
    }

    /// Computes a product with a bias; false where the library has no algorithm for it, and nothing was done.
    pub fn multiply(
        &mut self,
        device: &CudaDevice,
        gemm: &Gemm,
        dtype: DType,
        places: Places,
        bias: u64,
    ) -> Result<bool> {
        let key = Key { gemm: *gemm, dtype, tf32: tf32() };
        if !self.plans.contains_key(&key) {
            let plan = self.plan(&key)?;
            self.plans.insert(key, plan);
        }
        let Some(Some(plan)) = self.plans.get(&key) else { return Ok(false) };
        plan.operation.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias)?;
        let [left, right, out] = places.map(|place| std::ptr::without_provenance_mut::<c_void>(place as usize));
        let [left_layout, right_layout, out_layout] = &plan.layouts;
        // SAFETY: handle and descriptors live, and the caller's turn keeps other threads away from them; the matrices are
        // on the device and as large as the layouts say (`Product::check`), the bias as long as the output has rows here;
        // with β = 0 the output is not read; the workspace is at least what the algorithm was chosen for.
        let status = unsafe {
            lt::cublasLtMatmul(
                self.handle.0,
                plan.operation.0.0,
                Scale::ONE.of(dtype),
                left,
                left_layout.0.0,
                right,
                right_layout.0.0,
                Scale::ZERO.of(dtype),
                out,
                out_layout.0.0,
                out,
                out_layout.0.0,
                &plan.algorithm,
                std::ptr::without_provenance_mut(self.workspace.address as usize),
                self.workspace.bytes,
                device.compute().cast(),
            )
        };
        check(status, || format!("cublasLtMatmul of {key:?}"))?;
        Ok(true)
    }

    fn plan(&self, key: &Key) -> Result<Option<Plan>> {
        let (kind, compute) = match key.dtype {
            DType::F32 if key.tf32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32),
            DType::F32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F),
            DType::F16 => (Type::CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F),
            DType::BF16 => (Type::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
            other => return Err(Error::Internal(format!("cuBLASLt was asked for a product of {other}"))),
        };
        let operation = Operation::new(compute)?;
        let transpose = |factor: Factor| match factor.transposed {
            true => Transpose::CUBLAS_OP_T as i32,
            false => Transpose::CUBLAS_OP_N as i32,
        };
        operation.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, transpose(key.gemm.left))?;
        operation.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, transpose(key.gemm.right))?;
        operation.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, Epilogue::CUBLASLT_EPILOGUE_BIAS as u32)?;
        let [left, right, out] = key.gemm.stored();
        let layouts = [
            Layout::new(kind, left, key.gemm.left, key.gemm.batch)?,
            Layout::new(kind, right, key.gemm.right, key.gemm.batch)?,
            Layout::new(kind, out, key.gemm.out, key.gemm.batch)?,
        ];
        let algorithm = self.choose(key, &operation, &layouts)?;
        Ok(algorithm.map(|algorithm| Plan { operation, layouts, algorithm }))
    }

    /// The library's first choice, whose partial sums are f32 and which gives the same bits each time.
    fn choose(
        &self,
        key: &Key,
        operation: &Operation,
        layouts: &[Layout; 3],
    ) -> Result<Option<lt::cublasLtMatmulAlgo_t>> {
        let mut preference = std::ptr::null_mut();
        // SAFETY: the library is open; the descriptor is written.
        let status = unsafe { lt::cublasLtMatmulPreferenceCreate(&mut preference) };
        check(status, || "cublasLtMatmulPreferenceCreate".into())?;
        let preference = Descriptor(Handle(preference), lt::cublasLtMatmulPreferenceDestroy);
        let scheme = lt::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        let (bytes, mut found) = (self.workspace.bytes as u64, 0);
        let mut result = MaybeUninit::<lt::cublasLtMatmulHeuristicResult_t>::zeroed();
        // SAFETY: all descriptors live; the attributes have the types that they are documented with (u64 and u32); there is
        // room for the one result that is asked for.
        let status = unsafe {
            for (attribute, value, size) in [
                (Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, (&raw const bytes).cast::<c_void>(), 8),
                (Preference::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, (&raw const scheme).cast(), 4),
            ] {
                let status = lt::cublasLtMatmulPreferenceSetAttribute(preference.0.0, attribute, value, size);
                check(status, || "cublasLtMatmulPreferenceSetAttribute".into())?;
            }
            let [left, right, out] = layouts.each_ref().map(|layout| layout.0.0);
            lt::cublasLtMatmulAlgoGetHeuristic(
                self.handle.0,
                operation.0.0,
                left,
                right,
                out,
                out,
                preference.0.0,
                1,
                result.as_mut_ptr(),
                &mut found,
            )
        };
        if status == Status::CUBLAS_STATUS_NOT_SUPPORTED || found == 0 && status == Status::CUBLAS_STATUS_SUCCESS {
            return Ok(None);
        }
        check(status, || format!("cublasLtMatmulAlgoGetHeuristic of {key:?}"))?;
        // SAFETY: it was zeroed, which is a value of each field, and then written.
        let result = unsafe { result.assume_init() };
        Ok((result.state == Status::CUBLAS_STATUS_SUCCESS).then_some(result.algo))
    }
}

impl Operation {
    fn new(compute: Compute) -> Result<Operation> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the library is open; the descriptor is written. α and β are f32, as is what is computed in.
        let status = unsafe { lt::cublasLtMatmulDescCreate(&mut raw, compute, Type::CUDA_R_32F) };
        check(status, || "cublasLtMatmulDescCreate".into())?;
        Ok(Descriptor(Handle(raw), lt::cublasLtMatmulDescDestroy))
    }

    /// Sets an attribute, of the type that the library documents it with.
    fn set<V: Copy>(&self, attribute: Attribute, value: V) -> Result<(), CudaError> {
        // SAFETY: the descriptor lives; the library copies as many bytes as the value has.
        let status = unsafe {
            lt::cublasLtMatmulDescSetAttribute(self.0.0, attribute, (&raw const value).cast(), size_of::<V>())
        };
        check(status, || format!("cublasLtMatmulDescSetAttribute of {attribute:?}"))
    }
}

impl Layout {
    fn new(kind: Type, (rows, columns): (i32, i32), factor: Factor, batch: i32) -> Result<Layout> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the library is open; the descriptor is written.
        let status = unsafe {
            lt::cublasLtMatrixLayoutCreate(&mut raw, kind, rows as u64, columns as u64, factor.leading.into())
        };
        check(status, || format!("cublasLtMatrixLayoutCreate of ({rows}, {columns})"))?;
        let layout = Descriptor(Handle(raw), lt::cublasLtMatrixLayoutDestroy);
        if batch > 1 {
            layout.set(LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batch)?;
            layout.set(LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, factor.stride)?;
        }
        Ok(layout)
    }

    fn set<V: Copy>(&self, attribute: LayoutAttribute, value: V) -> Result<(), CudaError> {
        // SAFETY: as in `Operation::set`.
        let status = unsafe {
            lt::cublasLtMatrixLayoutSetAttribute(self.0.0, attribute, (&raw const value).cast(), size_of::<V>())
        };
        check(status, || format!("cublasLtMatrixLayoutSetAttribute of {attribute:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_cublaslt_is_an_error() {
        if let Err(error) = version() {
            assert!(error.to_string().starts_with("no cuBLASLt: "), "{error}");
        }
    }
}

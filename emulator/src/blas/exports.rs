//! Every function of cuBLAS and cuBLASLt that there is: its name, its signature, and what does its work.

use super::status::{self, status};
use super::{gemm, handle, lt, vector};
use crate::driver::handle::Raw;
use std::ffi::{c_char, c_int, c_void};

macro_rules! exports {
    ($($name:ident($($arg:ident: $ty:ty),*) => $module:ident::$function:ident;)+) => {$(
        #[doc = concat!("`", stringify!($name), "`, as NVIDIA's documentation has it.")]
        #[allow(clippy::too_many_arguments)] // cuBLAS's
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
            // SAFETY: the caller promises what the documentation of the function asks.
            status(stringify!($name), || unsafe { $module::$function($($arg),*) })
        }
    )+};
}

/// The name of a status.
#[unsafe(no_mangle)]
pub extern "C" fn cublasGetStatusName(number: u32) -> *const c_char {
    status::name(number)
}

/// The explanation of a status.
#[unsafe(no_mangle)]
pub extern "C" fn cublasGetStatusString(number: u32) -> *const c_char {
    status::explanation(number)
}

/// The name of a status.
#[unsafe(no_mangle)]
pub extern "C" fn cublasLtGetStatusName(number: u32) -> *const c_char {
    status::name(number)
}

/// The explanation of a status.
#[unsafe(no_mangle)]
pub extern "C" fn cublasLtGetStatusString(number: u32) -> *const c_char {
    status::explanation(number)
}

/// The version of cuBLASLt.
#[unsafe(no_mangle)]
pub extern "C" fn cublasLtGetVersion() -> usize {
    130_000
}

/// The version of the CUDA runtime that it would be built for.
#[unsafe(no_mangle)]
pub extern "C" fn cublasLtGetCudartVersion() -> usize {
    13_000
}

exports! {
    cublasCreate_v2(handle: *mut Raw) => handle::create;
    cublasDestroy_v2(handle: Raw) => handle::destroy;
    cublasGetVersion_v2(handle: Raw, version: *mut c_int) => handle::version;
    cublasGetProperty(kind: u32, value: *mut c_int) => handle::property;
    cublasSetStream_v2(handle: Raw, stream: Raw) => handle::set_stream;
    cublasGetStream_v2(handle: Raw, stream: *mut Raw) => handle::get_stream;
    cublasSetWorkspace_v2(handle: Raw, workspace: Raw, bytes: usize) => handle::set_workspace;
    cublasSetMathMode(handle: Raw, mode: u32) => handle::set_math;
    cublasGetMathMode(handle: Raw, mode: *mut u32) => handle::get_math;
    cublasSetPointerMode_v2(handle: Raw, mode: u32) => handle::set_pointers;
    cublasGetPointerMode_v2(handle: Raw, mode: *mut u32) => handle::get_pointers;
    cublasSetAtomicsMode(handle: Raw, mode: u32) => handle::set_atomics;
    cublasGetAtomicsMode(handle: Raw, mode: *mut u32) => handle::get_atomics;
    cublasSetSmCountTarget(handle: Raw, count: c_int) => handle::set_multiprocessors;
    cublasGetSmCountTarget(handle: Raw, count: *mut c_int) => handle::get_multiprocessors;

    cublasSgemm_v2(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_leading: c_int, b: *const c_void, b_leading: c_int, beta: *const c_void, c: *mut c_void,
        c_leading: c_int
    ) => gemm::single;
    cublasDgemm_v2(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_leading: c_int, b: *const c_void, b_leading: c_int, beta: *const c_void, c: *mut c_void,
        c_leading: c_int
    ) => gemm::double;
    cublasHgemm(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_leading: c_int, b: *const c_void, b_leading: c_int, beta: *const c_void, c: *mut c_void,
        c_leading: c_int
    ) => gemm::half;
    cublasSgemmStridedBatched(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_leading: c_int, a_item: i64, b: *const c_void, b_leading: c_int, b_item: i64,
        beta: *const c_void, c: *mut c_void, c_leading: c_int, c_item: i64, batch: c_int
    ) => gemm::single_strided;
    cublasDgemmStridedBatched(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_leading: c_int, a_item: i64, b: *const c_void, b_leading: c_int, b_item: i64,
        beta: *const c_void, c: *mut c_void, c_leading: c_int, c_item: i64, batch: c_int
    ) => gemm::double_strided;
    cublasHgemmStridedBatched(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_leading: c_int, a_item: i64, b: *const c_void, b_leading: c_int, b_item: i64,
        beta: *const c_void, c: *mut c_void, c_leading: c_int, c_item: i64, batch: c_int
    ) => gemm::half_strided;
    cublasGemmEx(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_kind: u32, a_leading: c_int, b: *const c_void, b_kind: u32, b_leading: c_int,
        beta: *const c_void, c: *mut c_void, c_kind: u32, c_leading: c_int, compute: u32, algorithm: c_int
    ) => gemm::extended;
    cublasGemmStridedBatchedEx(
        handle: Raw, operation_a: u32, operation_b: u32, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
        a: *const c_void, a_kind: u32, a_leading: c_int, a_item: i64, b: *const c_void, b_kind: u32, b_leading: c_int,
        b_item: i64, beta: *const c_void, c: *mut c_void, c_kind: u32, c_leading: c_int, c_item: i64, batch: c_int,
        compute: u32, algorithm: c_int
    ) => gemm::strided;

    cublasSaxpy_v2(
        handle: Raw, n: c_int, alpha: *const c_void, x: *const c_void, x_step: c_int, y: *mut c_void, y_step: c_int
    ) => vector::saxpy;
    cublasSscal_v2(handle: Raw, n: c_int, alpha: *const c_void, x: *mut c_void, x_step: c_int) => vector::sscal;
    cublasScopy_v2(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, y: *mut c_void, y_step: c_int)
        => vector::scopy;
    cublasSdot_v2(
        handle: Raw, n: c_int, x: *const c_void, x_step: c_int, y: *const c_void, y_step: c_int, result: *mut c_void
    ) => vector::sdot;
    cublasSnrm2_v2(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, result: *mut c_void) => vector::snrm2;
    cublasSasum_v2(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, result: *mut c_void) => vector::sasum;
    cublasSgemv_v2(
        handle: Raw, operation: u32, m: c_int, n: c_int, alpha: *const c_void, a: *const c_void, leading: c_int,
        x: *const c_void, x_step: c_int, beta: *const c_void, y: *mut c_void, y_step: c_int
    ) => vector::sgemv;
    cublasDaxpy_v2(
        handle: Raw, n: c_int, alpha: *const c_void, x: *const c_void, x_step: c_int, y: *mut c_void, y_step: c_int
    ) => vector::daxpy;
    cublasDscal_v2(handle: Raw, n: c_int, alpha: *const c_void, x: *mut c_void, x_step: c_int) => vector::dscal;
    cublasDcopy_v2(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, y: *mut c_void, y_step: c_int)
        => vector::dcopy;
    cublasDdot_v2(
        handle: Raw, n: c_int, x: *const c_void, x_step: c_int, y: *const c_void, y_step: c_int, result: *mut c_void
    ) => vector::ddot;
    cublasDnrm2_v2(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, result: *mut c_void) => vector::dnrm2;
    cublasDasum_v2(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, result: *mut c_void) => vector::dasum;
    cublasDgemv_v2(
        handle: Raw, operation: u32, m: c_int, n: c_int, alpha: *const c_void, a: *const c_void, leading: c_int,
        x: *const c_void, x_step: c_int, beta: *const c_void, y: *mut c_void, y_step: c_int
    ) => vector::dgemv;

    cublasLtCreate(handle: *mut Raw) => lt::create;
    cublasLtDestroy(handle: Raw) => lt::destroy;
    cublasLtGetProperty(kind: u32, value: *mut c_int) => handle::property;
    cublasLtMatmulDescCreate(operation: *mut Raw, compute: u32, scale: u32) => lt::operation_create;
    cublasLtMatmulDescDestroy(operation: Raw) => lt::operation_destroy;
    cublasLtMatmulDescSetAttribute(operation: Raw, attribute: u32, from: *const c_void, bytes: usize)
        => lt::operation_set;
    cublasLtMatmulDescGetAttribute(operation: Raw, attribute: u32, to: *mut c_void, bytes: usize, written: *mut usize)
        => lt::operation_get;
    cublasLtMatrixLayoutCreate(layout: *mut Raw, kind: u32, rows: u64, columns: u64, leading: i64)
        => lt::layout_create;
    cublasLtMatrixLayoutDestroy(layout: Raw) => lt::layout_destroy;
    cublasLtMatrixLayoutSetAttribute(layout: Raw, attribute: u32, from: *const c_void, bytes: usize) => lt::layout_set;
    cublasLtMatrixLayoutGetAttribute(layout: Raw, attribute: u32, to: *mut c_void, bytes: usize, written: *mut usize)
        => lt::layout_get;
    cublasLtMatmulPreferenceCreate(preference: *mut Raw) => lt::preference_create;
    cublasLtMatmulPreferenceDestroy(preference: Raw) => lt::preference_destroy;
    cublasLtMatmulPreferenceSetAttribute(preference: Raw, attribute: u32, from: *const c_void, bytes: usize)
        => lt::preference_set;
    cublasLtMatmulPreferenceGetAttribute(
        preference: Raw, attribute: u32, to: *mut c_void, bytes: usize, written: *mut usize
    ) => lt::preference_get;
    cublasLtMatmulAlgoGetHeuristic(
        handle: Raw, operation: Raw, a: Raw, b: Raw, c: Raw, d: Raw, preference: Raw, wanted: c_int,
        choices: *mut lt::Choice, found: *mut c_int
    ) => lt::choose;
    cublasLtMatmul(
        handle: Raw, operation: Raw, alpha: *const c_void, a: *const c_void, a_layout: Raw, b: *const c_void,
        b_layout: Raw, beta: *const c_void, c: *const c_void, c_layout: Raw, d: *mut c_void, d_layout: Raw,
        algorithm: *const c_void, workspace: *mut c_void, bytes: usize, stream: Raw
    ) => lt::matmul;
}

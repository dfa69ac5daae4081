//! Products of cuBLAS: column-major matrices, perhaps transposed.

use super::handle::{self, Handle};
use super::product::{Compute, Epilogue, Matrix, Product, Scale, Type};
use super::status::unsupported;
use crate::driver::error::{Result, invalid};
use crate::driver::handle::Raw;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

/// A factor or the result, as a call gives it: address, `cudaDataType`, leading dimension, elements between items.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    pub address: *const c_void,
    pub kind: u32,
    pub leading: c_int,
    pub item: i64,
}

impl Operand {
    fn matrix(self, name: &'static str, operation: u32, rows: usize, columns: usize) -> Result<Matrix> {
        let kind = Type::of(self.kind)?;
        let transposed = match operation {
            0 => false,
            // Of real numbers the conjugate transpose is the transpose.
            1 | 2 => true,
            _ => return invalid(format!("there is no cublasOperation {operation}")),
        };
        let stored = if transposed { columns } else { rows };
        let leading = usize::try_from(self.leading).unwrap_or(0);
        if leading < stored.max(1) {
            return invalid(format!(
                "the leading dimension {} of the matrix {name}: expected {} at least, its rows",
                self.leading,
                stored.max(1)
            ));
        }
        let strides = if transposed { [leading, 1] } else { [1, leading] };
        let address = self.address.addr() as u64;
        let matrix = Matrix { name, address, kind, size: [rows, columns], strides, item: self.item };
        matrix.aligned().map(|()| matrix)
    }
}

/// α or β of a call.
pub unsafe fn scale(from: *const c_void, kind: Type, on_device: bool) -> Result<Scale> {
    if from.is_null() {
        return invalid("a null pointer for α or β");
    }
    if on_device {
        return Ok(Scale::Device(from.addr() as u64, kind));
    }
    // SAFETY: not null; the caller promises a number of the type.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), kind.bytes()) };
    Ok(Scale::Value(kind.read(bytes)))
}

/// A call, whatever its name.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub name: &'static str,
    pub handle: Raw,
    pub operations: [u32; 2],
    pub sizes: [c_int; 3],
    pub alpha: *const c_void,
    pub beta: *const c_void,
    pub a: Operand,
    pub b: Operand,
    pub c: Operand,
    pub batch: c_int,
    /// A `cublasComputeType_t`.
    pub compute: u32,
}

impl Call {
    unsafe fn submit(self) -> Result {
        let handle = handle::get(self.handle)?;
        let size = |n: c_int| usize::try_from(n).or_else(|_| invalid(format!("a size of {n}")));
        let [m, n, k] = self.sizes;
        let ([m, n, k], batch) = ([size(m)?, size(n)?, size(k)?], size(self.batch)?);
        let (compute, scale_type) = Compute::of(self.compute)?;
        let compute = tf32(&handle, compute, self.a.kind);
        if (compute == Compute::F64) != (self.a.kind == 1) || self.a.kind != self.b.kind {
            return unsupported("factors of these types with this compute type");
        }
        let a = self.a.matrix("A", self.operations[0], m, k)?;
        let b = self.b.matrix("B", self.operations[1], k, n)?;
        let c = self.c.matrix("C", 0, m, n)?;
        // SAFETY: the caller's promise.
        let (alpha, beta) = unsafe {
            let on_device = handle.on_device();
            (scale(self.alpha, scale_type, on_device)?, scale(self.beta, scale_type, on_device)?)
        };
        let stream = handle.stream()?;
        if m * n * batch == 0 {
            return Ok(());
        }
        let (name, epilogue, checks) = (self.name, Epilogue::default(), stream.context.device.checks);
        stream.submit(Arc::new(Product { name, a, b, c, d: c, alpha, beta, compute, epilogue, batch, checks }))
    }
}

fn tf32(handle: &Handle, compute: Compute, kind: u32) -> Compute {
    if compute == Compute::F32 && kind == 0 && handle.tf32() { Compute::TF32 } else { compute }
}

#[allow(clippy::too_many_arguments)] // cuBLAS's
pub unsafe fn strided(
    handle: Raw,
    operation_a: u32,
    operation_b: u32,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: *const c_void,
    a: *const c_void,
    a_kind: u32,
    a_leading: c_int,
    a_item: i64,
    b: *const c_void,
    b_kind: u32,
    b_leading: c_int,
    b_item: i64,
    beta: *const c_void,
    c: *mut c_void,
    c_kind: u32,
    c_leading: c_int,
    c_item: i64,
    batch: c_int,
    compute: u32,
    _algorithm: c_int,
) -> Result {
    let call = Call {
        name: "cublasGemmStridedBatchedEx",
        handle,
        operations: [operation_a, operation_b],
        sizes: [m, n, k],
        alpha,
        beta,
        a: Operand { address: a, kind: a_kind, leading: a_leading, item: a_item },
        b: Operand { address: b, kind: b_kind, leading: b_leading, item: b_item },
        c: Operand { address: c, kind: c_kind, leading: c_leading, item: c_item },
        batch,
        compute,
    };
    // SAFETY: the caller's promise.
    unsafe { call.submit() }
}

#[allow(clippy::too_many_arguments)] // cuBLAS's
pub unsafe fn extended(
    handle: Raw,
    operation_a: u32,
    operation_b: u32,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: *const c_void,
    a: *const c_void,
    a_kind: u32,
    a_leading: c_int,
    b: *const c_void,
    b_kind: u32,
    b_leading: c_int,
    beta: *const c_void,
    c: *mut c_void,
    c_kind: u32,
    c_leading: c_int,
    compute: u32,
    _algorithm: c_int,
) -> Result {
    let call = Call {
        name: "cublasGemmEx",
        handle,
        operations: [operation_a, operation_b],
        sizes: [m, n, k],
        alpha,
        beta,
        a: Operand { address: a, kind: a_kind, leading: a_leading, item: 0 },
        b: Operand { address: b, kind: b_kind, leading: b_leading, item: 0 },
        c: Operand { address: c, kind: c_kind, leading: c_leading, item: 0 },
        batch: 1,
        compute,
    };
    // SAFETY: the caller's promise.
    unsafe { call.submit() }
}

macro_rules! products {
    ($($plain:ident, $plain_name:literal, $strided:ident, $strided_name:literal, $kind:literal, $compute:literal;)+) => {$(
        #[allow(clippy::too_many_arguments)] // cuBLAS's
        pub unsafe fn $plain(
            handle: Raw,
            operation_a: u32,
            operation_b: u32,
            m: c_int,
            n: c_int,
            k: c_int,
            alpha: *const c_void,
            a: *const c_void,
            a_leading: c_int,
            b: *const c_void,
            b_leading: c_int,
            beta: *const c_void,
            c: *mut c_void,
            c_leading: c_int,
        ) -> Result {
            // SAFETY: the caller's promise.
            unsafe {
                $strided(
                    handle, operation_a, operation_b, m, n, k, alpha, a, a_leading, 0, b, b_leading, 0, beta, c,
                    c_leading, 0, 1,
                )
            }
        }

        #[allow(clippy::too_many_arguments)] // cuBLAS's
        pub unsafe fn $strided(
            handle: Raw,
            operation_a: u32,
            operation_b: u32,
            m: c_int,
            n: c_int,
            k: c_int,
            alpha: *const c_void,
            a: *const c_void,
            a_leading: c_int,
            a_item: i64,
            b: *const c_void,
            b_leading: c_int,
            b_item: i64,
            beta: *const c_void,
            c: *mut c_void,
            c_leading: c_int,
            c_item: i64,
            batch: c_int,
        ) -> Result {
            let operand = |address, leading, item| Operand { address, kind: $kind, leading, item };
            let call = Call {
                name: if batch == 1 { $plain_name } else { $strided_name },
                handle,
                operations: [operation_a, operation_b],
                sizes: [m, n, k],
                alpha,
                beta,
                a: operand(a, a_leading, a_item),
                b: operand(b, b_leading, b_item),
                c: operand(c.cast_const(), c_leading, c_item),
                batch,
                compute: $compute,
            };
            // SAFETY: the caller's promise.
            unsafe { call.submit() }
        }
    )+};
}
products! {
    single, "cublasSgemm", single_strided, "cublasSgemmStridedBatched", 0, 68;
    double, "cublasDgemm", double_strided, "cublasDgemmStridedBatched", 1, 70;
    half, "cublasHgemm", half_strided, "cublasHgemmStridedBatched", 2, 64;
}

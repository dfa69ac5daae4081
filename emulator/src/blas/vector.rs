//! Vectors and a matrix by a vector: the functions of cuBLAS's levels 1 and 2 that programs call most.

use super::gemm::scale;
use super::handle;
use super::product::{Compute, Epilogue, Matrix, Product, Scale, Type};
use crate::driver::error::{Result, invalid};
use crate::driver::handle::Raw;
use crate::driver::timeline::Work;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

/// A vector of `n` elements, `step` apart, as a column.
fn column(name: &'static str, address: *const c_void, kind: Type, n: usize, step: c_int) -> Result<Matrix> {
    let Ok(step @ 1..) = usize::try_from(step) else {
        return invalid(format!("elements of the vector {name} that are {step} apart: the emulator takes 1 and more"));
    };
    let leading = n.max(1).saturating_mul(step);
    let vector = Matrix { name, address: address.addr() as u64, kind, size: [n, 1], strides: [step, leading], item: 0 };
    vector.aligned().map(|()| vector)
}

/// What is done to vectors.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// y = α x + y
    Axpy,
    /// x = α x
    Scale,
    /// y = x
    Copy,
    /// Σ x y
    Dot,
    /// √Σ x²
    Norm,
    /// Σ |x|
    Sum,
}

#[derive(Clone, Debug)]
struct Vectors {
    operation: Operation,
    name: &'static str,
    alpha: Scale,
    x: Matrix,
    y: Matrix,
    /// Where the result of a reduction goes, if it goes to the host; otherwise `y` is a single number on the device.
    host: Option<usize>,
    other: Matrix,
    checks: bool,
}

impl Work for Vectors {
    fn run(&self) -> Result {
        let read = |m: &Matrix| m.gather(0, self.name, self.checks);
        let single = self.x.kind == Type::F32;
        let round = |x: f64| if single { f64::from(x as f32) } else { x };
        let x = read(&self.x)?;
        let alpha = self.alpha.get(self.name)?;
        let result = match self.operation {
            Operation::Axpy => {
                let out: Vec<f64> = x.iter().zip(read(&self.y)?).map(|(x, y)| alpha.mul_add(*x, y)).collect();
                return self.y.scatter(0, &out, self.name);
            }
            Operation::Scale => {
                return self.x.scatter(0, &x.iter().map(|x| alpha * x).collect::<Vec<f64>>(), self.name);
            }
            Operation::Copy => return self.y.scatter(0, &x, self.name),
            Operation::Dot => x.iter().zip(read(&self.other)?).map(|(x, y)| x * y).sum(),
            Operation::Norm => x.iter().map(|x| x * x).sum::<f64>().sqrt(),
            Operation::Sum => x.iter().map(|x| x.abs()).sum(),
        };
        let Some(to) = self.host else { return self.y.scatter(0, &[result], self.name) };
        // SAFETY: the caller promises room for a number of the type, and waits for it.
        unsafe {
            match single {
                true => std::ptr::with_exposed_provenance_mut::<f32>(to).write_unaligned(round(result) as f32),
                false => std::ptr::with_exposed_provenance_mut::<f64>(to).write_unaligned(result),
            }
        }
        Ok(())
    }

    fn kind(&self) -> u32 {
        0
    }
}

struct Call {
    operation: Operation,
    name: &'static str,
    handle: Raw,
    kind: Type,
    n: c_int,
    alpha: *const c_void,
    x: (*const c_void, c_int),
    y: (*const c_void, c_int),
    result: *mut c_void,
}

impl Call {
    unsafe fn submit(self) -> Result {
        let handle = handle::get(self.handle)?;
        let stream = handle.stream()?;
        let n = usize::try_from(self.n).unwrap_or(0);
        let x = column("x", self.x.0, self.kind, n, self.x.1)?;
        let other = column("y", self.y.0, self.kind, n, self.y.1)?;
        let alpha = match self.alpha.is_null() {
            true => Scale::Value(0.0),
            // SAFETY: the caller's promise.
            false => unsafe { scale(self.alpha, self.kind, handle.on_device()) }?,
        };
        let reduces = matches!(self.operation, Operation::Dot | Operation::Norm | Operation::Sum);
        if reduces && self.result.is_null() {
            return invalid("a null pointer for the result");
        }
        if n == 0 && !reduces {
            return Ok(());
        }
        let host = (reduces && !handle.on_device()).then(|| self.result.expose_provenance());
        let y = if reduces { column("of the result", self.result, self.kind, 1, 1) } else { Ok(other) };
        let y = if host.is_some() { other } else { y? };
        let (operation, name, checks) = (self.operation, self.name, stream.context.device.checks);
        let work = Arc::new(Vectors { operation, name, alpha, x, y, host, other, checks });
        // A result on the host is there when the call returns.
        if host.is_some() { stream.run(work) } else { stream.submit(work) }
    }
}

macro_rules! vectors {
    ($($kind:expr, $compute:expr => $axpy:ident $axpy_name:literal, $scal:ident $scal_name:literal,
        $copy:ident $copy_name:literal, $dot:ident $dot_name:literal, $norm:ident $norm_name:literal,
        $sum:ident $sum_name:literal, $gemv:ident $gemv_name:literal;)+) => {$(
        pub unsafe fn $axpy(
            handle: Raw, n: c_int, alpha: *const c_void, x: *const c_void, x_step: c_int, y: *mut c_void, y_step: c_int,
        ) -> Result {
            let (operation, name, kind, result) = (Operation::Axpy, $axpy_name, $kind, std::ptr::null_mut());
            let (x, y) = ((x, x_step), (y.cast_const(), y_step));
            // SAFETY: the caller's promise.
            unsafe { Call { operation, name, handle, kind, n, alpha, x, y, result }.submit() }
        }

        pub unsafe fn $scal(handle: Raw, n: c_int, alpha: *const c_void, x: *mut c_void, x_step: c_int) -> Result {
            let (operation, name, kind, result) = (Operation::Scale, $scal_name, $kind, std::ptr::null_mut());
            let x = (x.cast_const(), x_step);
            // SAFETY: the caller's promise.
            unsafe { Call { operation, name, handle, kind, n, alpha, x, y: x, result }.submit() }
        }

        pub unsafe fn $copy(
            handle: Raw, n: c_int, x: *const c_void, x_step: c_int, y: *mut c_void, y_step: c_int,
        ) -> Result {
            let (operation, name, kind, result) = (Operation::Copy, $copy_name, $kind, std::ptr::null_mut());
            let (x, y, alpha) = ((x, x_step), (y.cast_const(), y_step), std::ptr::null());
            // SAFETY: the caller's promise.
            unsafe { Call { operation, name, handle, kind, n, alpha, x, y, result }.submit() }
        }

        pub unsafe fn $dot(
            handle: Raw, n: c_int, x: *const c_void, x_step: c_int, y: *const c_void, y_step: c_int, result: *mut c_void,
        ) -> Result {
            let (operation, name, kind, alpha) = (Operation::Dot, $dot_name, $kind, std::ptr::null());
            let (x, y) = ((x, x_step), (y, y_step));
            // SAFETY: the caller's promise.
            unsafe { Call { operation, name, handle, kind, n, alpha, x, y, result }.submit() }
        }

        pub unsafe fn $norm(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, result: *mut c_void) -> Result {
            let (operation, name, kind, alpha) = (Operation::Norm, $norm_name, $kind, std::ptr::null());
            let x = (x, x_step);
            // SAFETY: the caller's promise.
            unsafe { Call { operation, name, handle, kind, n, alpha, x, y: x, result }.submit() }
        }

        pub unsafe fn $sum(handle: Raw, n: c_int, x: *const c_void, x_step: c_int, result: *mut c_void) -> Result {
            let (operation, name, kind, alpha) = (Operation::Sum, $sum_name, $kind, std::ptr::null());
            let x = (x, x_step);
            // SAFETY: the caller's promise.
            unsafe { Call { operation, name, handle, kind, n, alpha, x, y: x, result }.submit() }
        }

        #[allow(clippy::too_many_arguments)] // cuBLAS's
        pub unsafe fn $gemv(
            handle: Raw, operation: u32, m: c_int, n: c_int, alpha: *const c_void, a: *const c_void, leading: c_int,
            x: *const c_void, x_step: c_int, beta: *const c_void, y: *mut c_void, y_step: c_int,
        ) -> Result {
            let scales = [alpha, beta];
            // SAFETY: the caller's promise.
            unsafe {
                matrix_by_vector(
                    $gemv_name, handle, $kind, $compute, operation, [m, n], scales, (a, leading), (x, x_step), (y, y_step),
                )
            }
        }
    )+};
}
vectors! {
    Type::F32, Compute::F32 => saxpy "cublasSaxpy", sscal "cublasSscal", scopy "cublasScopy", sdot "cublasSdot",
        snrm2 "cublasSnrm2", sasum "cublasSasum", sgemv "cublasSgemv";
    Type::F64, Compute::F64 => daxpy "cublasDaxpy", dscal "cublasDscal", dcopy "cublasDcopy", ddot "cublasDdot",
        dnrm2 "cublasDnrm2", dasum "cublasDasum", dgemv "cublasDgemv";
}

#[allow(clippy::too_many_arguments)] // cuBLAS's
unsafe fn matrix_by_vector(
    name: &'static str,
    handle: Raw,
    kind: Type,
    compute: Compute,
    operation: u32,
    [m, n]: [c_int; 2],
    [alpha, beta]: [*const c_void; 2],
    (a, leading): (*const c_void, c_int),
    (x, x_step): (*const c_void, c_int),
    (y, y_step): (*mut c_void, c_int),
) -> Result {
    let handle = handle::get(handle)?;
    let stream = handle.stream()?;
    let (Ok(m), Ok(n), Ok(leading)) = (usize::try_from(m), usize::try_from(n), usize::try_from(leading)) else {
        return invalid("a size that is negative");
    };
    if leading < m.max(1) || operation > 2 {
        return invalid(format!(
            "the leading dimension {leading} of the matrix A of {m} rows, or an unknown operation"
        ));
    }
    let (size, strides) = if operation == 0 { ([m, n], [1, leading]) } else { ([n, m], [leading, 1]) };
    let a = Matrix { name: "A", address: a.addr() as u64, kind, size, strides, item: 0 };
    a.aligned()?;
    let b = column("x", x, kind, size[1], x_step)?;
    let c = column("y", y, kind, size[0], y_step)?;
    // SAFETY: the caller's promise.
    let [alpha, beta] = unsafe { [scale(alpha, kind, handle.on_device())?, scale(beta, kind, handle.on_device())?] };
    if m * n == 0 {
        return Ok(());
    }
    let (epilogue, checks) = (Epilogue::default(), stream.context.device.checks);
    stream.submit(Arc::new(Product { name, a, b, c, d: c, alpha, beta, compute, epilogue, batch: 1, checks }))
}

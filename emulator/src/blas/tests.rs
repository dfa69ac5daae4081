//! Products as a program asks for them.

use super::exports::*;
use crate::driver::exports::*;
use crate::driver::handle::Raw;
use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

/// A context with a stream and a handle of cuBLAS on it.
struct Own {
    context: Raw,
    stream: Raw,
    blas: Raw,
}

fn ok(code: u32) {
    // SAFETY: the text lives for ever.
    assert_eq!(code, 0, "{}", unsafe { CStr::from_ptr(cublasGetStatusString(code)) }.to_string_lossy());
}

fn explanation(code: u32) -> String {
    // SAFETY: as above.
    unsafe { CStr::from_ptr(cublasGetStatusString(code)) }.to_string_lossy().into_owned()
}

impl Own {
    fn new() -> Own {
        let (mut context, mut stream, mut blas) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the handles are written.
        unsafe {
            ok(cuInit(0));
            ok(cuCtxCreate_v2(&mut context, 0, 0));
            ok(cuStreamCreate(&mut stream, 1));
            ok(cublasCreate_v2(&mut blas));
            ok(cublasSetStream_v2(blas, stream));
        }
        Own { context, stream, blas }
    }

    fn put<T: Copy>(&self, values: &[T]) -> *mut c_void {
        let mut address = 0;
        // SAFETY: the address is written, and has room for the values; the stream is the one that reads them.
        unsafe {
            ok(cuMemAllocAsync(&mut address, size_of_val(values).max(1), self.stream));
            ok(cuMemcpyHtoDAsync_v2(address, values.as_ptr().cast_mut().cast(), size_of_val(values), self.stream));
        }
        address as *mut c_void
    }

    fn get<T: Copy + Default>(&self, from: *mut c_void, n: usize) -> Vec<T> {
        let mut values = vec![T::default(); n];
        // SAFETY: there is room; the copy waits, since the memory is pageable.
        ok(unsafe {
            cuMemcpyDtoHAsync_v2(values.as_mut_ptr().cast(), from.addr() as u64, n * size_of::<T>(), self.stream)
        });
        values
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: both live.
        unsafe {
            ok(cublasDestroy_v2(self.blas));
            ok(cuCtxDestroy_v2(self.context));
        }
    }
}

fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7 + seed) % 11) as f32 - 5.0).collect()
}

#[test]
fn products_are_those_of_the_definition() {
    let own = Own::new();
    let [m, n, k] = [5, 3, 4];
    for flags in 0..4 {
        let [ta, tb] = [flags & 1, flags >> 1];
        let (a, b, c) = (numbers(2 * 6 * 6, 1), numbers(2 * 6 * 6, 2), numbers(2 * 18, 3));
        let at = |x: &[f32], i: usize, row: usize, column: usize, t: u32| {
            x[i * 36 + if t == 1 { row * 6 + column } else { column * 6 + row }]
        };
        let mut expected = c.clone();
        for (i, row, column) in (0..2 * m * n).map(|x| (x / (m * n), x / n % m, x % n)) {
            let sum: f32 = (0..k).map(|l| at(&a, i, row, l, ta) * at(&b, i, l, column, tb)).sum();
            let place = i * 18 + column * 6 + row;
            expected[place] = 2.0 * sum - 3.0 * c[place];
        }
        let (pa, pb, pc) = (own.put(&a), own.put(&b), own.put(&c));
        let (alpha, beta) = (2.0f32, -3.0f32);
        // SAFETY: the matrices have their sizes.
        ok(unsafe {
            cublasSgemmStridedBatched(
                own.blas,
                ta,
                tb,
                m as i32,
                n as i32,
                k as i32,
                (&raw const alpha).cast(),
                pa,
                6,
                36,
                pb,
                6,
                36,
                (&raw const beta).cast(),
                pc,
                6,
                18,
                2,
            )
        });
        assert_eq!(own.get::<f32>(pc, 36), expected, "{flags}");
        // α and β on the device, in f64.
        let wide = |x: &[f32]| own.put(&x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
        let (pa, pb, pc, scales) = (wide(&a), wide(&b), wide(&c), own.put(&[2.0f64, -3.0]));
        // SAFETY: as above.
        unsafe {
            ok(cublasSetPointerMode_v2(own.blas, 1));
            ok(cublasDgemm_v2(
                own.blas,
                ta,
                tb,
                m as i32,
                n as i32,
                k as i32,
                scales,
                pa,
                6,
                pb,
                6,
                scales.byte_add(8),
                pc,
                6,
            ));
            ok(cublasSetPointerMode_v2(own.blas, 0));
        }
        let got: Vec<f32> = own.get::<f64>(pc, 18).into_iter().map(|x| x as f32).collect();
        assert_eq!(got, expected[..18], "{flags}");
    }
}

#[test]
fn vectors_with_steps() {
    let own = Own::new();
    let (x, y) = (own.put(&[1.0f32, 9.0, 2.0, 9.0, 3.0]), own.put(&[10.0f32, 20.0, 30.0]));
    let (alpha, beta, mut dot, mut norm) = (2.0f32, 1.0f32, 0.0f32, 0.0f32);
    let a = own.put(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let (scale, one) = ((&raw const alpha).cast(), (&raw const beta).cast());
    // SAFETY: the vectors and the matrix have their sizes, the results room.
    unsafe {
        ok(cublasSaxpy_v2(own.blas, 3, scale, x, 2, y, 1));
        assert_eq!(own.get::<f32>(y, 3), [12.0, 24.0, 36.0]);
        ok(cublasSdot_v2(own.blas, 3, x, 2, y, 1, (&raw mut dot).cast()));
        ok(cublasSscal_v2(own.blas, 3, scale, x, 2));
        assert_eq!(own.get::<f32>(x, 5), [2.0, 9.0, 4.0, 9.0, 6.0]);
        ok(cublasScopy_v2(own.blas, 2, y, 1, x, 1));
        ok(cublasSnrm2_v2(own.blas, 2, x, 2, (&raw mut norm).cast()));
        assert_eq!((dot, norm), (12.0 + 48.0 + 108.0, (144.0f32 + 16.0).sqrt()));
        // The matrix is (1 3 5; 2 4 6).
        ok(cublasSgemv_v2(own.blas, 1, 2, 3, one, a, 2, x, 2, one, y, 1));
        assert_eq!(own.get::<f32>(y, 3), [12.0 + 20.0, 24.0 + 52.0, 36.0 + 84.0]);
    }
}

/// One number times 1, by the type and the compute type.
fn times_one<T: Copy + Default>(own: &Own, x: T, one: T, kind: u32, compute: u32) -> T {
    let (a, b, c) = (own.put(&[x]), own.put(&[one]), own.put(&[one]));
    let (alpha, beta) = (1.0f32, 0.0f32);
    // SAFETY: the matrices have one element each.
    ok(unsafe {
        cublasGemmEx(
            own.blas,
            0,
            0,
            1,
            1,
            1,
            (&raw const alpha).cast(),
            a,
            kind,
            1,
            b,
            kind,
            1,
            (&raw const beta).cast(),
            c,
            kind,
            1,
            compute,
            -1,
        )
    });
    own.get::<T>(c, 1)[0]
}

#[test]
fn factors_are_rounded_where_it_is_asked_for() {
    let own = Own::new();
    // Between two numbers of TF32, 2⁻¹⁰ apart, and of bf16, 2⁻⁷ apart.
    let x = 1.0 + 2f32.powi(-11);
    assert_eq!(times_one(&own, x, 1.0, 0, 68), x);
    assert_eq!(times_one(&own, x, 1.0, 0, 77), 1.0 + 2f32.powi(-10));
    assert_eq!(times_one(&own, x, 1.0, 0, 75), 1.0);
    assert_eq!(times_one(&own, f32::INFINITY, 1.0, 0, 77), f32::INFINITY);
    assert!(times_one(&own, f32::NAN, 1.0, 0, 77).is_nan());
    let half = half::f16::from_f32;
    assert_eq!(times_one(&own, half(3.140625), half(1.0), 2, 68), half(3.140625));
    // SAFETY: the handle lives.
    unsafe {
        ok(cublasSetMathMode(own.blas, 3));
        assert_eq!(times_one(&own, x, 1.0, 0, 68), 1.0 + 2f32.powi(-10));
        assert_eq!(cublasSetMathMode(own.blas, 99), 7);
    }
}

/// A product of (2, 2) by (2, 2) without scale, at places of the caller's choosing.
fn square(own: &Own, [a, b, c]: [*mut c_void; 3], leading: i32) -> u32 {
    let (alpha, beta) = (1.0f32, 0.0f32);
    let (alpha, beta) = ((&raw const alpha).cast(), (&raw const beta).cast());
    // SAFETY: places that are wrong are errors here.
    unsafe { cublasSgemm_v2(own.blas, 0, 0, 2, 2, 2, alpha, a, leading, b, 2, beta, c, 2) }
}

#[test]
fn what_a_kernel_may_not_read_a_product_may_not_either() {
    let own = Own::new();
    let (a, small) = (own.put(&[1.0f32; 4]), own.put(&[1.0f32; 3]));
    assert_eq!(square(&own, [a, a, a], 1), 7);
    assert!(explanation(7).contains("leading dimension 1 of the matrix A"), "{}", explanation(7));
    let mut fresh = 0;
    // SAFETY: the address is written.
    ok(unsafe { cuMemAllocAsync(&mut fresh, 16, own.stream) });
    // With β = 0 the result may be fresh, and is not read.
    ok(square(&own, [a, a, fresh as *mut c_void], 2));
    assert_eq!(own.get::<f32>(fresh as *mut c_void, 4), [2.0; 4]);
    let mut text = null();
    // SAFETY: the stream lives; the text is written and lives for ever.
    let mut fails = |own: &Own, expected: u32, part: &str| unsafe {
        assert_eq!(cuStreamSynchronize(own.stream), expected);
        ok(cuGetErrorString(expected, &mut text));
        let text = CStr::from_ptr(text).to_string_lossy();
        assert!(text.contains(part), "{text}");
    };
    ok(square(&own, [a, small, a], 2));
    fails(&own, 700, "illegal address in `cublasSgemm`, in the matrix B");
    let own = Own::new();
    // SAFETY: the address is written.
    ok(unsafe { cuMemAllocAsync(&mut fresh, 16, own.stream) });
    let a = own.put(&[1.0f32; 4]);
    ok(square(&own, [fresh as *mut c_void, a, a], 2));
    fails(&own, 719, "never written in `cublasSgemm`");
}

/// What `cublasLtMatmul` gives for (m, k) · (k, n) of ones with an epilogue, and the auxiliary output.
fn matmul(own: &Own, epilogue: u32, bias: &[f32], aux: *mut c_void, row_major: bool) -> Result<Vec<f32>, u32> {
    let [m, n, k] = [3u64, 2, 4];
    let (mut lt, mut operation, mut preference) = (null_mut(), null_mut(), null_mut());
    let mut layouts = [null_mut(); 3];
    let (a, b, d) = (own.put(&[1.0f32; 12]), own.put(&[-1.0f32; 8]), own.put(&[0.0f32; 6]));
    let (bias, alpha, beta, leading, order) = (own.put(bias), 1.0f32, 0.0f32, 128i64, 1u32);
    let mut choice = std::mem::MaybeUninit::<super::lt::Choice>::zeroed();
    let mut found = 0;
    // SAFETY: the handles are written; the attributes have their types.
    unsafe {
        ok(cublasLtCreate(&mut lt));
        ok(cublasLtMatmulDescCreate(&mut operation, 68, 0));
        ok(cublasLtMatmulDescSetAttribute(operation, 7, (&raw const epilogue).cast(), 4));
        ok(cublasLtMatmulDescSetAttribute(operation, 8, (&raw const bias).cast(), 8));
        ok(cublasLtMatmulDescSetAttribute(operation, 11, (&raw const aux).cast(), 8));
        ok(cublasLtMatmulDescSetAttribute(operation, 12, (&raw const leading).cast(), 8));
        for (layout, (rows, columns)) in layouts.iter_mut().zip([(m, k), (k, n), (m, n)]) {
            ok(cublasLtMatrixLayoutCreate(layout, 0, rows, columns, (if row_major { columns } else { rows }) as i64));
            if row_major {
                ok(cublasLtMatrixLayoutSetAttribute(*layout, 1, (&raw const order).cast(), 4));
            }
        }
        let [la, lb, ld] = layouts;
        ok(cublasLtMatmulPreferenceCreate(&mut preference));
        let status = cublasLtMatmulAlgoGetHeuristic(
            lt,
            operation,
            la,
            lb,
            ld,
            ld,
            preference,
            1,
            choice.as_mut_ptr(),
            &mut found,
        );
        if status != 0 {
            assert_eq!(found, 0);
            return Err(status);
        }
        let (alpha, beta) = ((&raw const alpha).cast(), (&raw const beta).cast());
        ok(cublasLtMatmul(lt, operation, alpha, a, la, b, lb, beta, d, ld, d, ld, null(), null_mut(), 0, own.stream));
    }
    Ok(own.get(d, 6))
}

#[test]
fn epilogues_follow_products() {
    let own = Own::new();
    let bias = [1.0f32, 4.0, 6.0];
    assert_eq!(matmul(&own, 1, &bias, null_mut(), false), Ok(vec![-4.0; 6]));
    assert_eq!(matmul(&own, 4, &bias, null_mut(), false), Ok(vec![-3.0, 0.0, 2.0, -3.0, 0.0, 2.0]));
    assert_eq!(matmul(&own, 6, &bias, null_mut(), false), Ok(vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0]));
    assert_eq!(matmul(&own, 6, &bias, null_mut(), true), Ok(vec![0.0, 0.0, 0.0, 0.0, 2.0, 2.0]));
    assert_eq!(matmul(&own, 6, &[f32::NAN, 4.0, 6.0], null_mut(), false), Ok(vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0]));
    let mask = own.put(&[0u8; 32]);
    assert_eq!(matmul(&own, 134, &bias, mask, false), Ok(vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0]));
    let bits = own.get::<u8>(mask, 32);
    assert_eq!((bits[0], bits[16], bits.iter().map(|&b| u32::from(b)).sum::<u32>()), (4, 4, 8));
    let before = own.put(&[0.0f32; 256]);
    let gelu = matmul(&own, 164, &bias, before, false).unwrap();
    assert!(
        (gelu[2] - 1.954_597_7).abs() < 1e-6 && gelu[1] == 0.0 && (gelu[0] + 0.003_637_39).abs() < 1e-6,
        "{gelu:?}"
    );
    assert_eq!(own.get::<f32>(before, 131)[128..], [-3.0, 0.0, 2.0]);
    assert_eq!(matmul(&own, 152, &bias, null_mut(), false), Err(15));
    assert!(explanation(15).contains("the epilogue 152"), "{}", explanation(15));
}

#[test]
fn products_are_captured() {
    let own = Own::new();
    let (a, b, c) = (own.put(&[1.0f32, 0.0, 0.0, 1.0]), own.put(&[1.0f32, 2.0, 3.0, 4.0]), own.put(&[0.0f32; 4]));
    let (mut graph, mut executable) = (null_mut(), null_mut());
    // SAFETY: all handles live.
    unsafe {
        ok(cuStreamBeginCapture_v2(own.stream, 2));
        ok(square(&own, [a, b, c], 2));
        ok(cuStreamEndCapture(own.stream, &mut graph));
        ok(cuGraphInstantiateWithFlags(&mut executable, graph, 0));
        assert_eq!(own.get::<f32>(c, 4), [0.0; 4]);
        ok(cuGraphLaunch(executable, own.stream));
    }
    assert_eq!(own.get::<f32>(c, 4), [1.0, 2.0, 3.0, 4.0]);
}

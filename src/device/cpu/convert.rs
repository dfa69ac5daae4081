//! Conversion of element types on the CPU.

use super::threads;
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use half::{bf16, f16};

/// A type that any other converts to and from by way of the widest one: `f64` for numbers, `i64` between integers.
///
/// Floats go to integers towards zero and saturate, NaN becomes 0, and anything but 0 is true, as Rust's `as` has it.
pub trait Convert: Element {
    /// As `f64`.
    fn to_f64(self) -> f64;
    /// As `i64`.
    fn to_i64(self) -> i64;
    /// From `f64`.
    fn from_f64(x: f64) -> Self;
    /// From `i64`.
    fn from_i64(x: i64) -> Self;
}

macro_rules! convert {
    ($($type:ty),*) => {$(
        impl Convert for $type {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn from_f64(x: f64) -> $type {
                x as $type
            }
            #[inline(always)]
            fn from_i64(x: i64) -> $type {
                x as $type
            }
        }
    )*};
}
convert!(f32, f64, i32, i64, u8);

macro_rules! convert_half {
    ($($type:ty),*) => {$(
        impl Convert for $type {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                <$type>::to_f64(self)
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self.to_f32() as i64
            }
            #[inline(always)]
            fn from_f64(x: f64) -> $type {
                // By way of f32, as CUDA converts.
                <$type>::from_f32(x as f32)
            }
            #[inline(always)]
            fn from_i64(x: i64) -> $type {
                <$type>::from_f32(x as f32)
            }
        }
    )*};
}
convert_half!(f16, bf16);

impl Convert for bool {
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
    fn from_f64(x: f64) -> bool {
        x != 0.0
    }
    fn from_i64(x: i64) -> bool {
        x != 0
    }
}

/// Converts each element of `from` into `to`, which is as long.
pub fn convert<S: Convert, D: Convert>(from: &[S], to: &mut [D]) {
    let integers = !S::DTYPE.is_float() && !D::DTYPE.is_float();
    threads::split_rows(to, 1, 1 << 16, |start, to| {
        let from = &from[start..start + to.len()];
        super::vectorize(
            #[inline(always)]
            || {
                if integers {
                    to.iter_mut().zip(from).for_each(|(d, &s)| *d = D::from_i64(s.to_i64()));
                } else {
                    to.iter_mut().zip(from).for_each(|(d, &s)| *d = D::from_f64(s.to_f64()));
                }
            },
        );
    });
}

/// Runs `$body` with `$type` standing for the Rust type of `$dtype`.
#[macro_export]
#[doc(hidden)]
macro_rules! with_dtype {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $type = f32;
                $body
            }
            $crate::DType::F64 => {
                type $type = f64;
                $body
            }
            $crate::DType::F16 => {
                type $type = half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $type = half::bf16;
                $body
            }
            $crate::DType::I32 => {
                type $type = i32;
                $body
            }
            $crate::DType::I64 => {
                type $type = i64;
                $body
            }
            $crate::DType::U8 => {
                type $type = u8;
                $body
            }
            $crate::DType::Bool => {
                type $type = bool;
                $body
            }
        }
    };
}

/// Runs `$body` with `$type` standing for `f32` or `f64`, the types that CPU ops compute in.
#[macro_export]
#[doc(hidden)]
macro_rules! with_float {
    ($dtype:expr, $op:expr, $type:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $type = f32;
                $body
            }
            $crate::DType::F64 => {
                type $type = f64;
                $body
            }
            other => Err($crate::device::cpu::convert::not_a_float($op, other)),
        }
    };
}

/// The error of an op that computes in floating point and was given something else.
pub fn not_a_float(op: &'static str, dtype: DType) -> Error {
    Error::dtype(op, format!("expected a floating-point dtype, got {dtype}; cast it first"))
}

/// Checks that `dtype` is a floating-point one.
pub fn require_float(op: &'static str, dtype: DType) -> Result<()> {
    if dtype.is_float() { Ok(()) } else { Err(not_a_float(op, dtype)) }
}

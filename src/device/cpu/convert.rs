//! Conversion of element types on the CPU.
//!
//! Floats go to integers towards zero and saturate, NaN becomes 0, integers wrap, and anything but 0 is true, as Rust's `as`
//! has it. Halves are converted by way of `f32`, as CUDA does.

use super::{threads, vectorize};
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// A type whose single values are converted to and from the widest ones.
pub trait Convert: Element {
    /// As `f64`.
    fn to_f64(self) -> f64;
    /// As `i64`.
    fn to_i64(self) -> i64;
    /// From `f64`.
    fn from_f64(x: f64) -> Self;
}

/// A type that arrays of `S` are converted to.
pub trait ConvertFrom<S: Element>: Element {
    /// Converts each element of `from` into `to`, which is as long, on this thread.
    fn convert_from(from: &[S], to: &mut [Self]);
}

macro_rules! pairs {
    ($($from:ty => $to:ty: |$x:ident| $value:expr;)*) => {$(
        impl ConvertFrom<$from> for $to {
            fn convert_from(from: &[$from], to: &mut [$to]) {
                to.iter_mut().zip(from).for_each(|(to, &$x)| *to = $value);
            }
        }
    )*};
}

macro_rules! numbers {
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
        }

        pairs! {
            f32 => $type: |x| x as $type;
            f64 => $type: |x| x as $type;
            i32 => $type: |x| x as $type;
            i64 => $type: |x| x as $type;
            u8 => $type: |x| x as $type;
            bool => $type: |x| u8::from(x) as $type;
            $type => bool: |x| x != 0 as $type;
        }
    )*};
}
numbers!(f32, f64, i32, i64, u8);

macro_rules! halves {
    ($($type:ty),*) => {$(
        impl Convert for $type {
            fn to_f64(self) -> f64 {
                <$type>::to_f64(self)
            }
            fn to_i64(self) -> i64 {
                self.to_f32() as i64
            }
            fn from_f64(x: f64) -> $type {
                <$type>::from_f32(x as f32)
            }
        }

        pairs! {
            $type => f64: |x| x.to_f64();
            $type => i32: |x| x.to_f32() as i32;
            $type => i64: |x| x.to_f32() as i64;
            $type => u8: |x| x.to_f32() as u8;
            $type => bool: |x| x.to_f32() != 0.0;
            f64 => $type: |x| <$type>::from_f32(x as f32);
            i32 => $type: |x| <$type>::from_f32(x as f32);
            i64 => $type: |x| <$type>::from_f32(x as f32);
            u8 => $type: |x| <$type>::from_f32(x.into());
            bool => $type: |x| <$type>::from_f32(u8::from(x).into());
        }
    )*};
}
halves!(f16, bf16);

pairs! {
    f16 => f16: |x| x;
    bf16 => bf16: |x| x;
    f16 => bf16: |x| bf16::from_f32(x.to_f32());
    bf16 => f16: |x| f16::from_f32(x.to_f32());
    bool => bool: |x| x;
}

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
}

// What every op on halves goes through: processors have instructions for f16, and bf16 is a shift.

impl ConvertFrom<f16> for f32 {
    fn convert_from(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}

impl ConvertFrom<f32> for f16 {
    fn convert_from(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}

impl ConvertFrom<bf16> for f32 {
    fn convert_from(from: &[bf16], to: &mut [f32]) {
        vectorize(
            #[inline(always)]
            || to.iter_mut().zip(from).for_each(|(to, x)| *to = x.to_f32()),
        );
    }
}

impl ConvertFrom<f32> for bf16 {
    fn convert_from(from: &[f32], to: &mut [bf16]) {
        vectorize(
            #[inline(always)]
            || to.iter_mut().zip(from).for_each(|(to, &x)| *to = bf16::from_f32(x)),
        );
    }
}

/// Converts each element of `from` into `to`, which is as long, over the threads.
pub fn convert<S: Element, D: ConvertFrom<S>>(from: &[S], to: &mut [D]) {
    threads::split_rows(to, 1, 1 << 16, |start, to| D::convert_from(&from[start..start + to.len()], to));
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

//! The element types, and the Rust types that stand for them.

use crate::error::{Error, Result};
use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements.
///
/// Names are NumPy's and Keras's (`float32`, `bfloat16`, `int64`, …); [`DType::short`] gives the suffix that a CUDA
/// kernel of that type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary32: the type that networks compute in unless told otherwise.
    F32,
    /// IEEE 754 binary64: for checking gradients and kernels.
    F64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an [`DType::F32`].
    BF16,
    /// 32-bit signed integer: labels, token ids, indices.
    I32,
    /// 64-bit signed integer: counters.
    I64,
    /// 8-bit unsigned integer: pictures.
    U8,
    /// One byte, 0 or 1: masks and comparisons.
    Bool,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 8] =
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I32, DType::I64, DType::U8, DType::Bool];

    /// The floating-point types.
    pub const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::BF16 => 2,
            DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether the type is a floating-point one.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    }

    /// The type that arithmetic on this one is done in: float32 for the halves, otherwise the type itself.
    pub const fn arithmetic(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        }
    }

    /// Keras's name: `float32`, `int64`, `bool`, …
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::Bool => "bool",
        }
    }

    /// The suffix of this type's CUDA kernels: `f32`, `bf16`, …
    pub const fn short(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::Bool => "bool",
        }
    }

    /// The type that Keras calls `name`.
    pub fn from_name(name: &str) -> Result<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name).ok_or_else(|| {
            let known: Vec<_> = DType::ALL.iter().map(|d| d.name()).collect();
            Error::Config(format!("unknown dtype `{name}`; known are {}", known.join(", ")))
        })
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that a tensor's elements can have.
///
/// `bool` stands for itself: its byte is 0 or 1, which every writer of one keeps to.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The matching [`DType`].
    const DTYPE: DType;
}

mod sealed {
    /// Only the types below are elements: code that reads memory as one relies on it.
    pub trait Sealed {}
}

macro_rules! elements {
    ($($type:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}
elements!(f32 => F32, f64 => F64, f16 => F16, bf16 => BF16, i32 => I32, i64 => I64, u8 => U8, bool => Bool);

/// The bytes of elements.
pub(crate) fn as_bytes<T: Element>(data: &[T]) -> &[u8] {
    // SAFETY: elements have no padding, and any byte may be read.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) }
}

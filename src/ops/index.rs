//! What the ops that take indices or class labels share.

use crate::device::cpu::convert::Convert;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Runs `$body` with `$type` standing for the Rust type of an index: `i32`, `i64` or `u8`.
macro_rules! with_index {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype {
            $crate::DType::I32 => {
                type $type = i32;
                $body
            }
            $crate::DType::I64 => {
                type $type = i64;
                $body
            }
            _ => {
                type $type = u8;
                $body
            }
        }
    };
}
pub(crate) use with_index;

/// Checks that `dtype` is one that class labels can have.
pub fn require_labels(op: &'static str, dtype: DType) -> Result<()> {
    match dtype {
        DType::I32 | DType::I64 | DType::U8 => Ok(()),
        _ => Err(Error::dtype(op, format!("expected labels of dtype int32, int64 or uint8, got {dtype}"))),
    }
}

/// Numbers of classes of any dtype as whole ones that have all of their values: floats are cut off, and NaN is −1, no class.
pub fn whole(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::I32 | DType::I64 | DType::U8 => Ok(x.clone()),
        DType::Bool => x.cast(DType::U8),
        dtype => {
            let none = Tensor::full(&x.device(), (), dtype, -1.0)?;
            x.equal(x)?.select(x, &none)?.cast(DType::I32)
        }
    }
}

/// Checks that every index lies in `0..limit`. Only values tell, which the CPU has before it and a shape rule has not.
///
/// # Errors
/// The first index that does not, its place, and `limit` of `what`.
pub fn check<I: Convert>(op: &'static str, indices: &[I], limit: usize, noun: &str, what: &str) -> Result<()> {
    match indices.iter().position(|i| usize::try_from(i.to_i64()).map_or(true, |i| i >= limit)) {
        None => Ok(()),
        Some(at) => {
            let value = indices[at].to_i64();
            Err(Error::Data(format!(
                "{op}: the {noun} {value} at place {at} is out of range: there are {limit} {what}"
            )))
        }
    }
}

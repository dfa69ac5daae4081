//! An array as files hold it, and the number types that files have and the engine lacks.

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use bytemuck::{CheckedBitPattern, NoUninit};

// The bytes of an array are those of a slice of its elements, and little endian.
const _: () = assert!(cfg!(target_endian = "little"), "the engine runs on little-endian machines only");

/// A dense array: little-endian bytes in row-major order, with their shape and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The type of the elements.
    pub dtype: DType,
    /// The extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements: `shape.product() * dtype.size()` bytes.
    pub bytes: Vec<u8>,
}

impl Array {
    /// An array of these bytes.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are exactly as many bytes as shape and type say.
    pub fn new(dtype: DType, shape: Vec<usize>, bytes: Vec<u8>) -> Result<Array> {
        match byte_len(&shape, dtype.size()) {
            Some(n) if n == bytes.len() => Ok(Array { dtype, shape, bytes }),
            _ => Err(Error::shape("Array", format!("{} bytes cannot be {dtype} of shape {shape:?}", bytes.len()))),
        }
    }

    /// An array of this shape with these elements.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the shape has as many elements as `data`.
    pub fn from_slice<T: Element + NoUninit>(shape: &[usize], data: &[T]) -> Result<Array> {
        Array::new(T::DTYPE, shape.to_vec(), bytemuck::cast_slice(data).to_vec())
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// [`Error::DType`] if they are of another type than `T`.
    pub fn to_vec<T: Element + CheckedBitPattern>(&self) -> Result<Vec<T>> {
        if self.dtype != T::DTYPE {
            return Err(Error::dtype("Array", format!("expected {}, got {}", T::DTYPE, self.dtype)));
        }
        let elements = self.bytes.chunks_exact(self.dtype.size());
        let broken = |_| Error::dtype("Array", format!("a byte of a {} array is neither 0 nor 1", self.dtype));
        elements.map(|e| bytemuck::checked::try_pod_read_unaligned(e).map_err(broken)).collect()
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Bytes of `shape` with elements of `size` bytes, unless that overflows.
///
/// The other axes of an empty array count too: a shape of `(0, 2^63, 2^63)` is absurd, although it needs no memory.
pub(crate) fn byte_len(shape: &[usize], size: usize) -> Option<usize> {
    let nonzero = shape.iter().filter(|&&n| n != 0).try_fold(size, |total, &n| total.checked_mul(n))?;
    Some(if shape.contains(&0) { 0 } else { nonzero })
}

/// The shape that a file declares and its bytes there, unless these or the array's overflow.
pub(crate) fn checked_shape(shape: &[u64], number: Number) -> Option<(Vec<usize>, usize)> {
    let shape: Vec<usize> = shape.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<_>>()?;
    let bytes = byte_len(&shape, number.size())?;
    // Rust's own limit on one allocation.
    (bytes.max(byte_len(&shape, number.dtype().size())?) <= isize::MAX as usize).then_some((shape, bytes))
}

/// A type of number in a file. Integers that the engine has no type for become the narrowest one that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// A type that the engine has.
    Same(DType),
    /// Becomes `int32`.
    I8,
    /// Becomes `int32`.
    I16,
    /// Becomes `int32`.
    U16,
    /// Becomes `int64`.
    U32,
}

impl Number {
    /// The signed or unsigned integer of `size` bytes; none for `uint64`, which no type of the engine holds.
    pub(crate) fn integer(signed: bool, size: usize) -> Option<Number> {
        Some(match (signed, size) {
            (true, 1) => Number::I8,
            (true, 2) => Number::I16,
            (true, 4) => Number::Same(DType::I32),
            (true, 8) => Number::Same(DType::I64),
            (false, 1) => Number::Same(DType::U8),
            (false, 2) => Number::U16,
            (false, 4) => Number::U32,
            _ => return None,
        })
    }

    /// The floating-point type of `size` bytes.
    pub(crate) fn float(size: usize) -> Option<Number> {
        Some(Number::Same(match size {
            2 => DType::F16,
            4 => DType::F32,
            8 => DType::F64,
            _ => return None,
        }))
    }

    /// What it becomes.
    fn dtype(self) -> DType {
        match self {
            Number::Same(dtype) => dtype,
            Number::I8 | Number::I16 | Number::U16 => DType::I32,
            Number::U32 => DType::I64,
        }
    }

    /// Bytes of one in the file.
    pub(crate) fn size(self) -> usize {
        match self {
            Number::Same(dtype) => dtype.size(),
            Number::I8 => 1,
            Number::I16 | Number::U16 => 2,
            Number::U32 => 4,
        }
    }

    /// The array that these bytes of a file are, row-major.
    pub(crate) fn decode(self, big_endian: bool, shape: Vec<usize>, mut bytes: Vec<u8>) -> Result<Array> {
        if big_endian {
            bytes.chunks_exact_mut(self.size()).for_each(<[u8]>::reverse);
        }
        let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        let bytes = match self {
            Number::Same(dtype) => {
                if dtype == DType::Bool {
                    bytes.iter_mut().for_each(|b| *b = u8::from(*b != 0));
                }
                bytes
            }
            Number::I8 => widen(&bytes, bytes.iter().map(|&b| i32::from(b as i8).to_le_bytes())),
            Number::I16 => widen(&bytes, pairs().map(|b| i32::from(i16::from_le_bytes(b)).to_le_bytes())),
            Number::U16 => widen(&bytes, pairs().map(|b| i32::from(u16::from_le_bytes(b)).to_le_bytes())),
            Number::U32 => {
                let quads = bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
                widen(&bytes, quads.map(|b| i64::from(u32::from_le_bytes(b)).to_le_bytes()))
            }
        };
        Array::new(self.dtype(), shape, bytes)
    }
}

fn widen<const N: usize>(narrow: &[u8], wide: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(narrow.len().saturating_mul(N));
    bytes.extend(wide.flatten());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn elements_round_trip() {
        fn check<T: Element + NoUninit + CheckedBitPattern>(data: &[T]) {
            let array = Array::from_slice(&[data.len(), 1], data).unwrap();
            assert_eq!(array.len(), data.len());
            assert_eq!(array.to_vec::<T>().unwrap(), data);
        }
        check(&[1.5f32, -0.0, f32::MAX]);
        check(&[1.5f64, f64::MIN_POSITIVE]);
        check(&[f16::from_f32(0.5)]);
        check(&[bf16::from_f32(-3.0)]);
        check(&[i32::MIN, 7]);
        check(&[i64::MAX]);
        check(&[0u8, 255]);
        check(&[true, false]);
        check::<f32>(&[]);
    }

    #[test]
    fn sizes_must_agree_and_cannot_overflow() {
        assert!(Array::new(DType::F32, vec![2, 3], vec![0; 24]).is_ok());
        assert!(Array::new(DType::F32, vec![], vec![0; 4]).is_ok());
        for shape in [vec![2, 4], vec![usize::MAX, 2], vec![0, usize::MAX, usize::MAX], vec![1 << 62, 4]] {
            assert!(matches!(Array::new(DType::F32, shape, vec![0; 24]), Err(Error::Shape { .. })));
        }
        let array = Array::from_slice(&[2], &[1i32, 2]).unwrap();
        assert!(matches!(array.to_vec::<f32>(), Err(Error::DType { .. })));
        let broken = Array::new(DType::Bool, vec![1], vec![2]).unwrap();
        assert!(broken.to_vec::<bool>().is_err());
    }

    #[test]
    fn narrow_and_big_endian_numbers_keep_their_values() {
        let decode = |number: Number, big, bytes: &[u8]| {
            number.decode(big, vec![bytes.len() / number.size()], bytes.to_vec()).unwrap()
        };
        assert_eq!(decode(Number::I8, true, &[255, 127]).to_vec::<i32>().unwrap(), [-1, 127]);
        assert_eq!(decode(Number::I16, true, &[255, 254, 1, 0]).to_vec::<i32>().unwrap(), [-2, 256]);
        assert_eq!(decode(Number::U16, false, &[254, 255]).to_vec::<i32>().unwrap(), [65534]);
        assert_eq!(decode(Number::U32, true, &[255, 255, 255, 255]).to_vec::<i64>().unwrap(), [4294967295]);
        let f32s = decode(Number::Same(DType::F32), true, &1.5f32.to_be_bytes());
        assert_eq!(f32s.to_vec::<f32>().unwrap(), [1.5]);
        assert_eq!(decode(Number::Same(DType::Bool), true, &[0, 7]).to_vec::<bool>().unwrap(), [false, true]);
    }
}

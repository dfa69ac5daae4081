//! The idx format of MNIST, gzipped or not.
//!
//! Format: two zero bytes, a type, the number of axes, each axis as a big-endian `u32`, then the elements, row-major
//! and big endian (<https://yann.lecun.com/exdb/mnist/>). `int8` and `int16` become `int32`.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::archive::Limits;
use crate::files::array::checked_shape;
use crate::files::{Array, Number, guard, read_file};
use std::io::Read;
use std::path::Path;

/// Reads the idx file `path`.
///
/// # Errors
/// [`Error::File`] if it is no such file, or is shorter or longer than its header says; [`Error::Io`] if it cannot be
/// read.
pub fn read(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    parse(read_file(path)?, path)
}

/// The array of a whole idx file; `path` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: Vec<u8>, path: &Path) -> Result<Array> {
    let limit = Limits::of_file(bytes.len() as u64).bytes;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unzipped = flate2::read::MultiGzDecoder::new(bytes.as_slice());
        guard(path, "gzip", || parse_from(&mut unzipped, limit, path))
    } else {
        parse_from(&mut bytes.as_slice(), limit, path)
    }
}

/// The array that the reader gives, of at most `limit` bytes.
fn parse_from(reader: &mut impl Read, limit: u64, path: &Path) -> Result<Array> {
    let bad = |message: String| Error::file(path, message);
    let cut = |e: std::io::Error| bad(format!("is not a whole idx file: {e}"));
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(cut)?;
    let [0, 0, kind, axes] = magic else {
        return Err(bad(format!("is not an idx file: it starts with {magic:02x?}, expected two zero bytes")));
    };
    let number = match kind {
        0x08 => Number::Same(DType::U8),
        0x09 => Number::I8,
        0x0b => Number::I16,
        0x0c => Number::Same(DType::I32),
        0x0d => Number::Same(DType::F32),
        0x0e => Number::Same(DType::F64),
        _ => {
            return Err(bad(format!(
                "is not an idx file: it has elements of type {kind:#04x}, which the format lacks"
            )));
        }
    };
    let mut extents = Vec::with_capacity(usize::from(axes));
    for _ in 0..axes {
        let mut extent = [0; 4];
        reader.read_exact(&mut extent).map_err(cut)?;
        extents.push(u64::from(u32::from_be_bytes(extent)));
    }
    let (shape, expected) =
        checked_shape(&extents, number).ok_or_else(|| bad(format!("declares the absurd shape {extents:?}")))?;
    if expected as u64 > limit {
        return Err(bad(format!(
            "declares {expected} bytes (shape {shape:?}), far more than a file of its size holds"
        )));
    }

    // Grows with what is there, not with what is declared; one byte more than declared shows a longer file.
    let mut data = Vec::new();
    reader.take((expected as u64).saturating_add(1)).read_to_end(&mut data).map_err(cut)?;
    if data.len() != expected {
        let found = if data.len() > expected { "more".to_string() } else { data.len().to_string() };
        return Err(bad(format!("declares {expected} bytes of data (shape {shape:?}), but holds {found}")));
    }
    number.decode(true, shape, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn parsed(bytes: &[u8]) -> Result<Array> {
        parse(bytes.to_vec(), Path::new("x.idx"))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_each_type_gzipped_or_not() {
        let pictures = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9, 8, 7, 6];
        for bytes in [pictures.to_vec(), gzip(&pictures)] {
            let array = parsed(&bytes).unwrap();
            assert_eq!(array.shape, [2, 1, 2]);
            assert_eq!(array.to_vec::<u8>().unwrap(), [9, 8, 7, 6]);
        }
        assert_eq!(parsed(&[0, 0, 9, 1, 0, 0, 0, 1, 255]).unwrap().to_vec::<i32>().unwrap(), [-1]);
        assert_eq!(parsed(&[0, 0, 11, 1, 0, 0, 0, 1, 1, 2]).unwrap().to_vec::<i32>().unwrap(), [258]);
        assert_eq!(parsed(&[0, 0, 12, 0, 0, 0, 1, 2]).unwrap().to_vec::<i32>().unwrap(), [258]);
        assert_eq!(parsed(&[0, 0, 13, 0, 0x3f, 0x80, 0, 0]).unwrap().to_vec::<f32>().unwrap(), [1.0]);
        assert_eq!(parsed(&[0, 0, 14, 0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]).unwrap().to_vec::<f64>().unwrap(), [1.0]);
    }

    #[test]
    fn refuses_what_does_not_fit_its_header() {
        let message = |bytes: &[u8]| parsed(bytes).unwrap_err().to_string();
        assert!(message(&[0, 0, 8, 1, 0, 0, 0, 2, 1]).contains("declares 2 bytes of data (shape [2]), but holds 1"));
        assert!(message(&[0, 0, 8, 1, 0, 0, 0, 0, 1]).contains("holds more"));
        assert!(message(&gzip(&[0, 0, 8, 1, 0, 0, 64, 0, 1])).contains("but holds 1"));
        assert!(
            message(&gzip(&[0, 0, 8, 1, 255, 255, 255, 255, 1])).contains("far more than a file of its size holds")
        );
        assert!(message(&[&[0, 0, 8, 255][..], &[255; 1020]].concat()).contains("absurd shape"));
        // As bytes they would be none of 2^62 in a row, as int32 none of 2^64.
        assert!(message(&[0, 0, 9, 3, 128, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0]).contains("absurd shape"));
        assert!(message(&[0, 0, 7, 1]).contains("type 0x07"));
        assert!(message(b"PK\x03\x04").contains("is not an idx file"));
        assert!(message(&[0, 0]).contains("is not a whole idx file"));
        let whole = gzip(&[0, 0, 8, 1, 0, 0, 0, 1, 5]);
        assert!(message(&whole[..whole.len() - 3]).contains("x.idx"));
    }
}

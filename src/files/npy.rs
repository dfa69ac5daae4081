//! NumPy's `.npy` and `.npz`.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. Read are little- and big-endian
//! arrays of either order, of `f2 f4 f8`, `i1 i2 i4 i8`, `u1 u2 u4` and `bool`; integers that the engine has no type
//! for become the narrowest one that holds them. Written are versions 1.0, little endian, C order; NumPy has no
//! `bfloat16`, which is an error: cast it first.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::array::checked_shape;
use crate::files::{Array, Number, archive, atomic_write, guard, read_file};
use npyz::{Endianness, NpyHeader, Order, TypeChar, WriterBuilder};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

pub use super::npy_rows::Rows;

/// NumPy refuses longer headers too.
const MAX_HEADER: usize = 10_000;
/// As many brackets as the simplest record type has: the parser of headers recurses, twice for each `{`.
const MAX_BRACKETS: usize = 4;

/// Reads the `.npy` file `path`.
///
/// # Errors
/// [`Error::File`] if it is no such file, is shorter or longer than its header says, or has a type that the engine has
/// no counterpart for; [`Error::Io`] if it cannot be read.
pub fn read(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    parse(read_file(path)?, path)
}

/// Reads the arrays of the `.npz` file `path`, by name.
///
/// # Errors
/// As [`read`], and if the archive is damaged or unpacks to far more than its own size.
pub fn read_npz(path: impl AsRef<Path>) -> Result<BTreeMap<String, Array>> {
    let path = path.as_ref();
    arrays(archive::read(path)?, path)
}

/// The arrays of a whole `.npz` file; `path` is its name in errors.
///
/// # Errors
/// As [`read_npz`].
pub fn parse_npz(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Array>> {
    arrays(archive::parse(bytes, path)?, path)
}

fn arrays(entries: BTreeMap<String, Vec<u8>>, path: &Path) -> Result<BTreeMap<String, Array>> {
    let mut arrays = BTreeMap::new();
    for (entry, bytes) in entries {
        let name = entry.strip_suffix(".npy").unwrap_or(&entry).to_string();
        let array = parse(bytes, &path.join(entry))?;
        if arrays.insert(name.clone(), array).is_some() {
            return Err(Error::file(path, format!("holds both `{name}` and `{name}.npy`, which are one name")));
        }
    }
    Ok(arrays)
}

/// Writes `array` to the `.npy` file `path`, atomically.
///
/// # Errors
/// [`Error::File`] for `bfloat16`, [`Error::Io`] if it cannot be written.
pub fn write(path: impl AsRef<Path>, array: &Array) -> Result<()> {
    let path = path.as_ref();
    let header = header(array, path)?;
    atomic_write(path, |writer| {
        writer.write_all(&header)?;
        writer.write_all(&array.bytes)
    })
}

/// Writes the arrays to the `.npz` file `path`, uncompressed and atomically.
///
/// # Errors
/// As [`write()`].
pub fn write_npz(path: impl AsRef<Path>, arrays: &BTreeMap<String, Array>) -> Result<()> {
    let path = path.as_ref();
    let mut entries = Vec::with_capacity(arrays.len());
    for (name, array) in arrays {
        let mut bytes = header(array, path)?;
        bytes.extend_from_slice(&array.bytes);
        entries.push((format!("{name}.npy"), bytes));
    }
    archive::write(path, entries.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
}

fn header(array: &Array, path: &Path) -> Result<Vec<u8>> {
    let descr = match array.dtype {
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U8 => "|u1",
        DType::Bool => "|b1",
        DType::BF16 => {
            return Err(Error::file(path, "NumPy has no bfloat16: cast the array to float32 before it is written"));
        }
    };
    let shape: Vec<u64> = array.shape.iter().map(|&n| n as u64).collect();
    let write = || -> io::Result<Vec<u8>> {
        let type_str = descr.parse().map_err(io::Error::other)?;
        let builder = npyz::WriteOptions::new_header_only().dtype(npyz::DType::new_scalar(type_str));
        builder.shape(&shape).writer(Vec::new()).write_header_only()
    };
    write().map_err(|e| Error::file(path, e.to_string()))
}

/// The array of a whole `.npy` file; `path` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(mut bytes: Vec<u8>, path: &Path) -> Result<Array> {
    let Header { number, big_endian, fortran, shape, start, .. } = read_header(&bytes, bytes.len() as u64, path)?;
    bytes.drain(..start);
    if fortran {
        bytes = row_major(&bytes, &shape, number.size());
    }
    number.decode(big_endian, shape, bytes)
}

/// What a `.npy` file says of itself.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub number: Number,
    pub big_endian: bool,
    /// Whether the first axis runs fastest.
    pub fortran: bool,
    pub shape: Vec<usize>,
    /// Where the elements begin.
    pub start: usize,
}

/// Bytes at a file's beginning that hold every header that is read.
pub(super) const HEADER: usize = MAX_HEADER + 12;

/// The header in the first bytes of a file of `len` bytes, which must hold just the array that it declares.
pub(super) fn read_header(bytes: &[u8], len: u64, path: &Path) -> Result<Header> {
    let bad = |message: String| Err(Error::file(path, message));
    let (start, length) = match bytes.get(..12) {
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..]) => (10, u16::from_le_bytes([*a, *b]) as usize),
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', _, _, a, b, c, d]) => {
            (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize)
        }
        _ => return bad("is not a .npy file: it does not start with \\x93NUMPY".into()),
    };
    if length > MAX_HEADER {
        return bad(format!("declares a header of {length} bytes; {MAX_HEADER} is the most that NumPy reads"));
    }
    let Some(text) = bytes.get(start..start + length) else {
        return bad(format!("ends inside its header of {length} bytes"));
    };
    if text.iter().filter(|b| b"([{".contains(b)).count() > MAX_BRACKETS {
        return bad("holds structured records; a plain array of numbers was expected".into());
    }
    let mut rest = bytes;
    let header = guard(path, ".npy", || {
        NpyHeader::from_reader(&mut rest).map_err(|e| Error::file(path, format!("has a damaged header: {e}")))
    })?;
    let start = bytes.len() - rest.len();
    let (number, big_endian) = match number(&header.dtype()) {
        Some(known) => known,
        None => {
            return bad(format!(
                "has elements of type {}; expected f2, f4, f8, i1, i2, i4, i8, u1, u2, u4 or bool",
                header.dtype().descr()
            ));
        }
    };
    let Some((shape, expected)) = checked_shape(header.shape(), number) else {
        return bad(format!("declares the absurd shape {:?}", header.shape()));
    };
    let holds = len - start as u64;
    if holds != expected as u64 {
        return bad(format!(
            "declares {expected} bytes of data (shape {shape:?}), but holds {holds}: it is truncated or damaged"
        ));
    }
    Ok(Header { number, big_endian, fortran: header.order() == Order::Fortran, shape, start })
}

fn number(dtype: &npyz::DType) -> Option<(Number, bool)> {
    let npyz::DType::Plain(plain) = dtype else { return None };
    let size = usize::try_from(plain.size_field()).ok()?;
    let number = match plain.type_char() {
        TypeChar::Bool if size == 1 => Number::Same(DType::Bool),
        TypeChar::Int => Number::integer(true, size)?,
        TypeChar::Uint => Number::integer(false, size)?,
        TypeChar::Float => Number::float(size)?,
        _ => return None,
    };
    Some((number, plain.endianness() == Endianness::Big))
}

/// Column-major elements of `size` bytes in row-major order.
fn row_major(bytes: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut step = size;
    for &n in shape {
        strides.push(step);
        step *= n;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    for _ in 0..bytes.len() / size {
        out.extend_from_slice(&bytes[offset..offset + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            offset -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `.npy` file with this header text.
    fn file(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn parsed(bytes: Vec<u8>) -> Result<Array> {
        parse(bytes, Path::new("x.npy"))
    }

    #[test]
    fn round_trips() {
        let folder = tempfile::tempdir().unwrap();
        let mut all = BTreeMap::new();
        for dtype in DType::ALL.into_iter().filter(|&d| d != DType::BF16) {
            for shape in [vec![], vec![3], vec![2, 0, 3], vec![2, 3, 4]] {
                let n = shape.iter().product::<usize>() * dtype.size();
                let bytes = (0..n).map(|i| if dtype == DType::Bool { i % 2 } else { i % 251 } as u8).collect();
                let array = Array::new(dtype, shape, bytes).unwrap();
                let path = folder.path().join("a.npy");
                write(&path, &array).unwrap();
                assert_eq!(read(&path).unwrap(), array);
                all.insert(format!("{dtype}/{}", array.shape.len()), array);
            }
        }
        let path = folder.path().join("a.npz");
        write_npz(&path, &all).unwrap();
        assert_eq!(read_npz(&path).unwrap(), all);
        let npy = std::fs::read(folder.path().join("a.npy")).unwrap();
        archive::write(&path, [("a", npy.as_slice()), ("a.npy", &npy)]).unwrap();
        assert!(read_npz(&path).unwrap_err().to_string().contains("holds both `a` and `a.npy`"));
        let bf16 = Array::new(DType::BF16, vec![1], vec![0, 0]).unwrap();
        assert!(write(folder.path().join("b.npy"), &bf16).unwrap_err().to_string().contains("bfloat16"));
    }

    #[test]
    fn reads_big_endian_and_fortran_order() {
        // numpy.asfortranarray([[0, 1, 2], [3, 4, 5]])
        let columns: Vec<u8> = [0i16, 3, 1, 4, 2, 5].iter().flat_map(|n| n.to_be_bytes()).collect();
        let array = parsed(file("'>i2'", "True", "(2, 3)", &columns)).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.to_vec::<i32>().unwrap(), [0, 1, 2, 3, 4, 5]);
        let halves = parsed(file("'>f2'", "False", "(1,)", &[0x3c, 0])).unwrap();
        assert_eq!(halves.to_vec::<half::f16>().unwrap(), [half::f16::ONE]);
        assert_eq!(parsed(file("'>f4'", "True", "(0, 3)", &[])).unwrap().shape, [0, 3]);
        assert_eq!(parsed(file("'<f8'", "True", "()", &1f64.to_le_bytes())).unwrap().to_vec::<f64>().unwrap(), [1.0]);
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        let message = |bytes| parsed(bytes).unwrap_err().to_string();
        assert!(message(file("'|O'", "False", "(1,)", &[0; 8])).contains("type '|O'"));
        assert!(message(file("'<c8'", "False", "(1,)", &[0; 8])).contains("type '<c8'"));
        assert!(message(file("'<u8'", "False", "(1,)", &[0; 8])).contains("type '<u8'"));
        assert!(message(file("'<U3'", "False", "(1,)", &[0; 12])).contains("type '<U3'"));
        assert!(message(file("[('a', '<f4')]", "False", "(1,)", &[0; 4])).contains("type"));
        assert!(message(file("'<f4'", "False", "(2,)", &[0; 4])).contains("declares 8 bytes"));
        assert!(message(file("'<f4'", "False", "(1,)", &[0; 8])).contains("declares 4 bytes"));
        assert!(message(file("'<f4'", "False", "(4611686018427387904, 8)", &[0; 4])).contains("x.npy"));
        assert!(message(file("'<f4'", "False", "(-1,)", &[0; 4])).contains("negative"));
        assert!(message(file("'<f4'", "False", &"(".repeat(9000), &[])).contains("structured"));
        assert!(message(file("'<f4'", "False", &"{".repeat(12), &[])).contains("structured"));
        assert!(message(file("'<i1'", "False", "(4611686018427387904, 0)", &[])).contains("absurd shape"));
        assert!(message(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{}".to_vec()).contains("header of 2147483647"));
        assert!(message(b"PK".to_vec()).contains("is not a .npy file"));
    }
}

//! HDF5 to arrays.

use super::{Tree, write::BINARY16};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::archive::Limits;
use crate::files::array::checked_shape;
use crate::files::{Array, Number, guard};
use hdf5_pure::{Dataset, Datatype, DatatypeByteOrder, FixedPointLayout, FloatingPointLayout, Group, Layout};
use std::collections::BTreeMap;
use std::path::Path;

/// Groups inside groups, and bytes of a path: far more than any model has, and little enough for the stack.
const MAX_DEPTH: usize = 64;
const MAX_PATH: usize = 2048;
/// No object takes less of a file; hard links let a small file name one group without end.
const MIN_OBJECT: usize = 16;

/// The upper half of a binary32, which newer HDF5 libraries know as a type of its own.
const BFLOAT16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 7,
    exponent_size: 8,
    mantissa_location: 0,
    mantissa_size: 7,
    exponent_bias: 127,
};

/// The tree in the file of these bytes; `path` is its name in errors.
///
/// # Errors
/// [`Error::File`] if it is truncated or damaged, declares more than it can hold, or has types that the engine lacks.
pub(crate) fn read(bytes: Vec<u8>, path: &Path) -> Result<Tree> {
    let len = bytes.len();
    guard(path, "HDF5", || {
        let file = hdf5_pure::File::from_bytes(bytes)
            .map_err(|e| Error::file(path, format!("is not a whole HDF5 file: {e}")))?;
        let declared = file.superblock().eof_address;
        if declared > len as u64 {
            // Without this a file cut within its heap would be read, less the attributes that were there.
            return Err(Error::file(path, format!("is truncated: it declares {declared} bytes, but holds {len}")));
        }
        let mut reader = Reader {
            path,
            objects: len / MIN_OBJECT,
            stored: len as u64,
            unpacked: Limits::of_file(len as u64).bytes,
            tree: Tree::default(),
        };
        reader.group(&file.root(), "", 0)?;
        Ok(reader.tree)
    })
}

struct Reader<'a> {
    path: &'a Path,
    /// Objects that may still come.
    objects: usize,
    /// Bytes that may still come from uncompressed datasets: all of them together fit into the file.
    stored: u64,
    /// Bytes that may still come from chunked datasets.
    unpacked: u64,
    tree: Tree,
}

impl Reader<'_> {
    fn bad(&self, name: &str, message: impl std::fmt::Display) -> Error {
        let name = if name.is_empty() { "/" } else { name };
        Error::file(self.path, format!("`{name}`: {message}"))
    }

    fn group(&mut self, group: &Group, name: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.bad(name, format_args!("groups lie more than {MAX_DEPTH} deep; are there circles?")));
        }
        for (child, dataset) in group.iter_datasets().map_err(|e| self.bad(name, e))? {
            let child = self.child(name, &child)?;
            let array = self.dataset(&dataset, &child)?;
            self.tree.arrays.insert(child, array);
        }
        for (child, group) in group.iter_groups().map_err(|e| self.bad(name, e))? {
            let child = self.child(name, &child)?;
            self.tree.groups.insert(child.clone(), BTreeMap::new());
            self.group(&group, &child, depth + 1)?;
        }
        Ok(())
    }

    fn child(&mut self, parent: &str, name: &str) -> Result<String> {
        self.objects = self
            .objects
            .checked_sub(1)
            .ok_or_else(|| self.bad(parent, "there are more objects than the file has room for"))?;
        if parent.len() + name.len() >= MAX_PATH || name.is_empty() || name.contains('/') {
            return Err(self.bad(parent, "a member has an absurd name"));
        }
        Ok(if parent.is_empty() { name.to_string() } else { format!("{parent}/{name}") })
    }

    fn dataset(&mut self, dataset: &Dataset, name: &str) -> Result<Array> {
        let fail = |e: hdf5_pure::Error| Error::file(self.path, format!("`{name}`: {e}"));
        let datatype = dataset.datatype().map_err(fail)?;
        let known = match &datatype {
            Datatype::Opaque { size: 2, .. } => {
                // The attribute's type alone: as values, a few strings of a small file can be gigabytes.
                let types = dataset.attr_datatypes().map_err(fail)?;
                let is_text = |of: &Datatype| {
                    matches!(of, Datatype::String { .. } | Datatype::VariableLength { is_string: true, .. })
                };
                types.get("dtype").is_some_and(is_text).then_some((Number::Same(DType::BF16), false))
            }
            other => number(other),
        };
        let extents = dataset.shape().map_err(fail)?;
        let layout = dataset.layout().map_err(fail)?;
        let Some((number, big_endian)) = known else {
            return Err(self.bad(name, "has elements of a type that no weight has: expected numbers"));
        };
        let Some((shape, expected)) = checked_shape(&extents, number) else {
            return Err(self.bad(name, format_args!("declares the absurd shape {extents:?}")));
        };
        let expected = expected as u64;
        let (budget, needed) = match &layout {
            Layout::Compact { size } | Layout::Contiguous { size, .. } if *size == expected => {
                (&mut self.stored, expected)
            }
            Layout::Compact { size } | Layout::Contiguous { size, .. } => {
                return Err(self.bad(name, format_args!("shape {shape:?} needs {expected} bytes, {size} are stored")));
            }
            Layout::Chunked { chunk_shape, .. } => {
                // A chunk is unpacked whole, however little of it the dataset uses.
                let chunk = checked_shape(chunk_shape, number).map_or(u64::MAX, |(_, bytes)| bytes as u64);
                (&mut self.unpacked, expected.max(chunk))
            }
            _ => return Err(self.bad(name, "is not stored in this file")),
        };
        match budget.checked_sub(needed) {
            Some(left) => *budget = left,
            None => {
                let message = format!("declares {needed} bytes, far more than the file holds (shape {shape:?})");
                return Err(self.bad(name, message));
            }
        }
        let raw = dataset.read_raw().map_err(|e| self.bad(name, e))?;
        if raw.len() as u64 != expected {
            return Err(self.bad(name, format_args!("declares {expected} bytes, but holds {}", raw.len())));
        }
        number.decode(big_endian, shape, raw).map_err(|e| self.bad(name, e))
    }
}

fn number(datatype: &Datatype) -> Option<(Number, bool)> {
    let big_endian = |order: &DatatypeByteOrder| match order {
        DatatypeByteOrder::LittleEndian => Some(false),
        DatatypeByteOrder::BigEndian => Some(true),
        DatatypeByteOrder::Vax => None,
    };
    match datatype {
        Datatype::FixedPoint {
            size,
            byte_order,
            layout: FixedPointLayout { signed, bit_offset: 0, bit_precision },
        } if u32::from(*bit_precision) == size.checked_mul(8)? => {
            Some((Number::integer(*signed, *size as usize)?, big_endian(byte_order)?))
        }
        Datatype::FloatingPoint { size, byte_order, layout } => {
            let dtype = match (size, *layout) {
                (2, BINARY16) => DType::F16,
                (2, BFLOAT16) => DType::BF16,
                (4, FloatingPointLayout::IEEE754_BINARY32) => DType::F32,
                (8, FloatingPointLayout::IEEE754_BINARY64) => DType::F64,
                _ => return None,
            };
            Some((Number::Same(dtype), big_endian(byte_order)?))
        }
        Datatype::Enumeration { size: 1, members, .. } => {
            let boolean =
                members.iter().all(|m| matches!((m.name.as_str(), &m.value[..]), ("FALSE", [0]) | ("TRUE", [1])));
            (boolean && members.len() == 2).then_some((Number::Same(DType::Bool), false))
        }
        _ => None,
    }
}

//! Arrays to HDF5.

use super::Tree;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{Array, guard};
use hdf5_pure::{
    AttrValue, Datatype, DatatypeByteOrder, EnumTypeBuilder, FileBuilder, FinishedGroup, FixedPointLayout,
    FloatingPointLayout, GroupBuilder,
};
use std::collections::BTreeMap;
use std::path::Path;

/// IEEE 754 binary16, which the crate has no constant for.
pub(super) const BINARY16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 10,
    exponent_size: 5,
    mantissa_location: 0,
    mantissa_size: 10,
    exponent_bias: 15,
};

/// The file that holds `tree`; `path` is its name in errors.
pub(crate) fn write(tree: &Tree, path: &Path) -> Result<Vec<u8>> {
    let mut root = Node::default();
    for (name, attributes) in &tree.groups {
        root.group(name.split('/')).attributes.extend(attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    }
    for (name, array) in &tree.arrays {
        let (group, leaf) = name.rsplit_once('/').unwrap_or(("", name));
        root.group(group.split('/').filter(|part| !part.is_empty())).arrays.insert(leaf, array);
    }
    guard(path, "HDF5", || {
        let bad = |e: String| Error::file(path, format!("cannot be written as HDF5: {e}"));
        if let Some(name) = root.clash() {
            return Err(bad(format!("`{name}` is both an array and a group")));
        }
        let mut file = FileBuilder::new();
        for (name, array) in &root.arrays {
            fill(file.create_dataset(name), array).map_err(|e| bad(e.to_string()))?;
        }
        for (name, node) in &root.groups {
            let group = node.build(file.create_group(name)).map_err(|e| bad(e.to_string()))?;
            file.add_group(group);
        }
        for (key, value) in &root.attributes {
            file.set_attr(key, AttrValue::VarLenString((*value).to_string()));
        }
        file.finish().map_err(|e| bad(e.to_string()))
    })
}

#[derive(Default)]
struct Node<'a> {
    attributes: BTreeMap<&'a str, &'a str>,
    arrays: BTreeMap<&'a str, &'a Array>,
    groups: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Node<'a> {
    fn group(&mut self, parts: impl Iterator<Item = &'a str>) -> &mut Node<'a> {
        parts.fold(self, |node, part| node.groups.entry(part).or_default())
    }

    /// A name that is both an array and a group: the crate would write a file that no one can read.
    fn clash(&self) -> Option<&'a str> {
        let own = self.arrays.keys().find(|name| self.groups.contains_key(*name)).copied();
        own.or_else(|| self.groups.values().find_map(Node::clash))
    }

    fn build(&self, mut group: GroupBuilder) -> Result<FinishedGroup, hdf5_pure::FormatError> {
        for (name, array) in &self.arrays {
            fill(group.create_dataset(name), array)?;
        }
        for (name, node) in &self.groups {
            let built = node.build(group.create_group(name))?;
            group.add_group(built);
        }
        for (key, value) in &self.attributes {
            // Variable length, as h5py writes a Python string.
            group.set_attr(key, AttrValue::VarLenString((*value).to_string()));
        }
        Ok(group.finish())
    }
}

fn fill(dataset: &mut hdf5_pure::DatasetBuilder, array: &Array) -> Result<(), hdf5_pure::FormatError> {
    let shape: Vec<u64> = array.shape.iter().map(|&n| n as u64).collect();
    dataset.with_shape(&shape).with_raw_data(datatype(array.dtype)?, array.bytes.clone(), array.len() as u64);
    if array.dtype == DType::BF16 {
        dataset.set_attr("dtype", AttrValue::VarLenString("bfloat16".into()));
    }
    Ok(())
}

fn datatype(dtype: DType) -> Result<Datatype, hdf5_pure::FormatError> {
    let size = dtype.size() as u32;
    let byte_order = DatatypeByteOrder::LittleEndian;
    let float = |layout| Datatype::FloatingPoint { size, byte_order, layout };
    let integer = |signed| Datatype::FixedPoint {
        size,
        byte_order,
        layout: FixedPointLayout { signed, bit_offset: 0, bit_precision: 8 * dtype.size() as u16 },
    };
    Ok(match dtype {
        DType::F16 => float(BINARY16),
        DType::F32 => float(FloatingPointLayout::IEEE754_BINARY32),
        DType::F64 => float(FloatingPointLayout::IEEE754_BINARY64),
        DType::BF16 => Datatype::Opaque { size, tag: Vec::new() },
        DType::I32 | DType::I64 => integer(true),
        DType::U8 => integer(false),
        DType::Bool => EnumTypeBuilder::with_base(integer(true)).value("FALSE", 0).value("TRUE", 1).build()?,
    })
}

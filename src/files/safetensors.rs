//! Named arrays in a `.safetensors` file.
//!
//! Format: <https://huggingface.co/docs/safetensors>. The types are those of [`DType`].

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{Array, atomic_write, guard, read_file};
use ::safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// The arrays of a file by name, and its free-form text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The arrays.
    pub arrays: BTreeMap<String, Array>,
    /// The `__metadata__` of the file.
    pub metadata: BTreeMap<String, String>,
}

/// Reads the `.safetensors` file `path`.
///
/// # Errors
/// [`Error::File`] if it is damaged or has a type that the engine lacks; [`Error::Io`] if it cannot be read.
pub fn read(path: impl AsRef<Path>) -> Result<Contents> {
    let path = path.as_ref();
    parse(&read_file(path)?, path)
}

/// Writes `contents` to the `.safetensors` file `path`, atomically.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn write(path: impl AsRef<Path>, contents: &Contents) -> Result<()> {
    let path = path.as_ref();
    let metadata = (!contents.metadata.is_empty()).then(|| HashMap::from_iter(contents.metadata.clone()));
    let bytes = serialize(&contents.arrays, metadata).map_err(|e| Error::file(path, e.to_string()))?;
    atomic_write(path, |writer| writer.write_all(&bytes))
}

/// The contents of a whole `.safetensors` file; `path` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], path: &Path) -> Result<Contents> {
    let bad = |e: ::safetensors::SafeTensorError| Error::file(path, format!("is not a whole .safetensors file: {e}"));
    guard(path, ".safetensors", || {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(bad)?;
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut arrays = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(bad)?.iter() {
            let Some(dtype) = DType::ALL.into_iter().find(|&d| stored(d) == view.dtype()) else {
                return Err(Error::file(path, format!("`{name}` is {}, which the engine lacks", view.dtype())));
            };
            let array = Array::new(dtype, view.shape().to_vec(), view.data().to_vec())
                .map_err(|e| Error::file(path, format!("`{name}`: {e}")))?;
            arrays.insert(name.to_string(), array);
        }
        Ok(Contents { arrays, metadata })
    })
}

fn stored(dtype: DType) -> Dtype {
    match dtype {
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

impl View for &Array {
    fn dtype(&self) -> Dtype {
        stored(self.dtype)
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut contents = Contents::default();
        write(&path, &contents).unwrap();
        assert_eq!(read(&path).unwrap(), contents);
        for dtype in DType::ALL {
            for shape in [vec![], vec![3, 0], vec![2, 3]] {
                let bytes = vec![1; shape.iter().product::<usize>() * dtype.size()];
                let name = format!("{dtype}/{shape:?}");
                contents.arrays.insert(name, Array::new(dtype, shape, bytes).unwrap());
            }
        }
        contents.metadata.insert("format".into(), "uncrumple".into());
        write(&path, &contents).unwrap();
        assert_eq!(read(&path).unwrap(), contents);
    }

    #[test]
    fn refuses_other_types_and_damage() {
        let message = |json: &str, data: usize| {
            let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
            bytes.extend(json.as_bytes());
            bytes.extend(vec![0; data]);
            parse(&bytes, Path::new("w.safetensors")).unwrap_err().to_string()
        };
        assert!(message(r#"{"a":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}}"#, 8).contains("`a` is U64"));
        for (shape, end) in [("[1]", 9), ("[1099511627776]", 4), ("[9223372036854775807,9]", 4), ("[1]", 1u64 << 40)] {
            let json = format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#);
            assert!(message(&json, 4).contains("not a whole"), "{json}");
        }
        assert!(message("", 0).contains("w.safetensors"));
        assert!(message(&"[".repeat(100_000), 0).contains("w.safetensors"));
    }
}

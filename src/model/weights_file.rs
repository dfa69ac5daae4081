//! The weights alone, in a file: `.safetensors` under their paths, or Keras's `.weights.h5`.

use super::{Model, keras};
use crate::error::{Error, Result};
use crate::files::{Array, h5, read_file, safetensors};
use crate::layers::WeightSpec;
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::Path;

impl Model {
    /// Writes the weights to `path`, atomically: `.safetensors` under their paths (`dense_1/kernel`), or `.weights.h5` as
    /// Keras's `load_weights` reads it.
    ///
    /// # Errors
    /// Another extension; a file that cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match Format::of(path)? {
            Format::Safetensors => {
                let named = self.weight_paths().zip(&self.weights).map(|(p, w)| Ok((p.to_string(), w.to_array()?)));
                let contents =
                    safetensors::Contents { arrays: named.collect::<Result<_>>()?, metadata: BTreeMap::new() };
                safetensors::write(path, &contents)
            }
            Format::H5 => {
                let mut tree = h5::Tree::default();
                keras::weights::write(self, &mut tree)?;
                let bytes = h5::write(&tree, path)?;
                crate::files::atomic_write(path, |writer| std::io::Write::write_all(writer, &bytes))
            }
        }
    }

    /// Sets the weights to those in the file `path`, which [`Model::save_weights`] or Keras wrote.
    ///
    /// # Errors
    /// Another extension; a file that is damaged, or whose names, shapes or dtypes are not those of the model, in which
    /// case no weight changes.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let values = match Format::of(path)? {
            Format::Safetensors => self.take_arrays(safetensors::read(path)?.arrays, path)?,
            Format::H5 => {
                keras::weights::read(&mut h5::read(read_file(path)?, path)?, &self.graph, self.sequential, path)?
            }
        };
        let moved = self.weights.iter().zip(&values).map(|(old, new)| new.to_device(&old.device()));
        self.weights = moved.collect::<Result<_>>()?;
        self.drawn = false;
        Ok(())
    }

    fn take_arrays(&self, mut arrays: BTreeMap<String, Array>, path: &Path) -> Result<Vec<Tensor>> {
        let weight = |(name, spec): &(String, WeightSpec)| {
            let array = arrays.remove(name).ok_or_else(|| Error::file(path, format!("has no weight `{name}`")))?;
            to_tensor(&array, spec, name, path)
        };
        let values = self.graph.weights.iter().map(weight).collect::<Result<_>>()?;
        match arrays.keys().next() {
            Some(name) => Err(Error::file(path, format!("holds `{name}`, which the model does not have"))),
            None => Ok(values),
        }
    }
}

enum Format {
    Safetensors,
    H5,
}

impl Format {
    fn of(path: &Path) -> Result<Format> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("h5") => Ok(Format::H5),
            _ => Err(Error::file(path, "expected a name that ends in .safetensors or .weights.h5")),
        }
    }
}

/// The weight that an array of a file is; `name` stands for it in errors.
pub(super) fn to_tensor(array: &Array, spec: &WeightSpec, name: &str, path: &Path) -> Result<Tensor> {
    if array.dtype != spec.dtype || array.shape != spec.shape.dims() {
        let (dtype, shape) = (array.dtype, &array.shape);
        let message = format!("`{name}`: expected {} {}, the file holds {dtype} {shape:?}", spec.dtype, spec.shape);
        return Err(Error::file(path, message));
    }
    Tensor::from_array(array)
}

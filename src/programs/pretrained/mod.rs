//! Networks whose weights others trained, from `.safetensors` files with the names that PyTorch's implementations gave them.

mod bert;
mod gpt2;
#[cfg(test)]
mod tests;

pub use bert::{bert, sentence_embeddings};
pub use gpt2::gpt2;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{Array, safetensors};
use crate::layers::Symbol;
use crate::model::{Graph, Model};
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The arrays of a file.
struct Weights {
    path: PathBuf,
    arrays: BTreeMap<String, Array>,
    /// What stands before all names, if anything does.
    prefix: &'static str,
}

impl Weights {
    /// Those of a file, where `prefix` may stand before the name of this array and of all others.
    fn read(path: &Path, prefix: &'static str, one: &str) -> Result<Weights> {
        let arrays = safetensors::read(path)?.arrays;
        let prefix = if arrays.contains_key(&format!("{prefix}{one}")) { prefix } else { "" };
        Ok(Weights { path: path.into(), arrays, prefix })
    }

    fn find(&self, name: &str) -> Result<&Array> {
        let name = format!("{}{name}", self.prefix);
        self.arrays.get(&name).ok_or_else(|| Error::file(&self.path, format!("has no array `{name}`")))
    }

    /// The extents of an array of two axes.
    fn matrix(&self, name: &str) -> Result<[usize; 2]> {
        let shape = &self.find(name)?.shape;
        <[usize; 2]>::try_from(&shape[..])
            .ok()
            .filter(|extents| !extents.contains(&0))
            .ok_or_else(|| Error::file(&self.path, format!("`{name}`: expected two axes, got {shape:?}")))
    }

    /// An array in f32.
    fn tensor(&self, name: &str) -> Result<Tensor> {
        let tensor = Tensor::from_array(self.find(name)?)?;
        match tensor.dtype().is_float() {
            true => tensor.cast(DType::F32),
            false => Err(Error::file(&self.path, format!("`{name}`: expected numbers, got {}", tensor.dtype()))),
        }
    }

    /// How many layers there are, of which this is an array of number `layer`.
    fn layers(&self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|&layer| self.arrays.contains_key(&format!("{}{}", self.prefix, name(layer)))).count()
    }

    /// The model between these symbols, with the weight that `of` has for each path.
    fn model(
        &self,
        inputs: &[Symbol],
        output: &Symbol,
        of: impl Fn(&Weights, &str) -> Result<Tensor>,
    ) -> Result<Model> {
        let graph = Graph::new(inputs, std::slice::from_ref(output))?;
        let weight = |(path, spec): &(String, crate::layers::WeightSpec)| -> Result<Tensor> {
            let tensor = of(self, path)?;
            match tensor.shape().size() == spec.shape.size() {
                // Heads are axes of their own here.
                true => tensor.reshape(spec.shape),
                false => {
                    let (want, got) = (spec.shape, tensor.shape());
                    Err(Error::file(&self.path, format!("expected {want} numbers for `{path}`, got {got}")))
                }
            }
        };
        let weights = graph.weights.iter().map(weight).collect::<Result<Vec<_>>>()?;
        Model::from_graph(graph, weights)
    }
}

/// A path `layer_3/…` as the layer's number and the rest.
fn in_layer(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.strip_prefix("layer_")?.split_once('/')?;
    Some((number.parse().ok()?, rest))
}

/// Checks that features divide into heads.
fn check_heads(width: usize, num_heads: usize, path: &Path) -> Result<()> {
    if num_heads > 0 && width.is_multiple_of(num_heads) {
        return Ok(());
    }
    Err(Error::file(path, format!("argument `num_heads`: {width} features do not divide into {num_heads} heads")))
}

/// Tokens `(batch, steps)` of any number of steps, as input of this name.
fn tokens(name: &str) -> Symbol {
    let spec = crate::layers::Spec { dims: vec![None, None], dtype: DType::I32 };
    crate::layers::Input::of(spec, Some(name.into()))
}

//! Axes in another order.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// The axes of each sample in another order ([Keras](https://keras.io/api/layers/reshaping_layers/permute/)).
///
/// Input `(batch, …)` of any dtype; axis i of the output's sample is axis `dims[i]` of the input's, which are counted
/// from 1. No weights.
#[derive(Clone, Debug)]
pub struct Permute {
    dims: Vec<usize>,
}

impl Permute {
    /// The layer to this order, counted from 1, the batch not included: `Permute::new([2, 1])` swaps two axes.
    pub fn new(dims: impl Into<Vec<usize>>) -> Permute {
        Permute { dims: dims.into() }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Permute> {
        match config.integers("dims")? {
            Some(dims) => Ok(Permute { dims: dims.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect() }),
            None => Err(Error::Config("argument `dims` is missing".into())),
        }
    }
}

impl Layer for Permute {
    fn class_name(&self) -> &'static str {
        "Permute"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        let mut sorted = self.dims.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(1..=self.dims.len()) {
            let message = format!("expected each axis once, counted from 1, got {:?}", self.dims);
            return Err(Error::Config(format!("argument `dims`: {message}")));
        }
        if x.rank() != self.dims.len() + 1 {
            let message = format!("expected an input of {} axes, as `dims` has {}", sorted.len() + 1, sorted.len());
            return Err(Error::Input(format!("{message}, got shape {x}")));
        }
        let dims = std::iter::once(0).chain(self.dims.iter().copied()).map(|d| x.dims[d]).collect();
        Ok(vec![Spec { dims, dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let axes: Vec<isize> = std::iter::once(0).chain(self.dims.iter().map(|&d| d as isize)).collect();
        Ok(Tensors::from_elem(inputs[0].transpose(&axes)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "dims": self.dims }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

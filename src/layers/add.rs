//! Inputs added element by element.

use super::{Call, Config, Layer, Spec, WeightSpec, merge};
use crate::error::Result;
use crate::tensor::{Tensor, Tensors};

/// Σ xᵢ, element by element ([Keras](https://keras.io/api/layers/merging_layers/add/)).
///
/// Inputs `(batch, …)`, one or more, of one floating-point dtype and of shapes that broadcast as in NumPy; one of lower
/// rank has axes of size 1 put in behind the batch. Output: what they broadcast to. No weights.
#[derive(Clone, Debug, Default)]
pub struct Add;

impl Add {
    /// The layer; call it on several symbols: `Add::new().call([&a, &b])`.
    pub fn new() -> Add {
        Add
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(_: &Config) -> Result<Add> {
        Ok(Add)
    }
}

impl Layer for Add {
    fn class_name(&self) -> &'static str {
        "Add"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        merge::spec(inputs)
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        merge::merge(inputs, Tensor::add)
    }

    fn config(&self) -> Config {
        Config::new()
    }
}

//! A vector several times.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// Each sample `n` times ([Keras](https://keras.io/api/layers/reshaping_layers/repeat_vector/)).
///
/// Input `(batch, features)` of any dtype, output `(batch, n, features)`. No weights.
#[derive(Clone, Copy, Debug)]
pub struct RepeatVector {
    n: usize,
}

impl RepeatVector {
    /// A layer that repeats `n` times.
    pub fn new(n: usize) -> RepeatVector {
        RepeatVector { n }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RepeatVector> {
        Ok(RepeatVector { n: config.size("n")? })
    }
}

impl Layer for RepeatVector {
    fn class_name(&self) -> &'static str {
        "RepeatVector"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        let [batch, features] = x.dims[..] else {
            return Err(Error::Input(format!("expected 2 axes, got shape {x}")));
        };
        Ok(vec![Spec { dims: vec![batch, Some(self.n), features], dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let [batch, features] = *x.shape().dims() else {
            return Err(Error::shape("RepeatVector", format!("expected 2 axes, got shape {}", x.shape())));
        };
        let y = x.reshape([batch, 1, features])?.broadcast_to([batch, self.n, features])?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "n": self.n }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

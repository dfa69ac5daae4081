//! Samples as vectors.

use super::image::channels_last;
use super::{Call, Config, Layer, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// Each sample as a vector ([Keras](https://keras.io/api/layers/reshaping_layers/flatten/)).
///
/// Input `(batch, …)` of any dtype, output `(batch, product of the other extents)`; `(batch)` becomes `(batch, 1)`. No
/// weights.
#[derive(Clone, Debug, Default)]
pub struct Flatten;

impl Flatten {
    /// The layer.
    pub fn new() -> Flatten {
        Flatten
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Flatten> {
        channels_last(config).map(|()| Flatten)
    }
}

impl Layer for Flatten {
    fn class_name(&self) -> &'static str {
        "Flatten"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        Ok(vec![Spec { dims: vec![x.dims[0], x.sample_size()?], dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let shape = inputs[0].shape();
        let flat = Shape::new(&[shape[0], shape[1..].iter().product()])?;
        Ok(Tensors::from_elem(inputs[0].reshape(flat)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "data_format": "channels_last" }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

//! A penalty on what passes.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::regularizers::{L1L2, Regularizer};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// The input, with (l1 · Σ |x| + l2 · Σ x²) / batch added to the loss
/// ([Keras](https://keras.io/api/layers/regularization_layers/activity_regularization/)).
///
/// Input of any shape and a floating-point dtype, output of the same. The sums are means over the batch.
/// Defaults: both factors 0. No weights.
#[derive(Clone, Copy, Debug)]
pub struct ActivityRegularization {
    l1: f64,
    l2: f64,
}

impl ActivityRegularization {
    /// A penalty with these factors.
    pub fn new(l1: f64, l2: f64) -> ActivityRegularization {
        ActivityRegularization { l1, l2 }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<ActivityRegularization> {
        Ok(ActivityRegularization { l1: config.number("l1", 0.0)?, l2: config.number("l2", 0.0)? })
    }
}

impl Layer for ActivityRegularization {
    fn class_name(&self) -> &'static str {
        "ActivityRegularization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        L1L2::new(self.l1, self.l2).check()?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        call.penalize(&L1L2::new(self.l1, self.l2), inputs[0])?;
        Ok(Tensors::from_elem(inputs[0].clone(), 1))
    }

    fn config(&self) -> Config {
        object(json!({ "l1": self.l1, "l2": self.l2 }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}

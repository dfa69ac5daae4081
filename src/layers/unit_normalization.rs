//! Vectors of length 1.

use super::{Call, Config, Layer, Spec, WeightSpec, object, one};
use crate::axes::Axes;
use crate::error::Result;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// x / √Σ x² over one axis or several, so that their elements together have the length 1
/// ([Keras](https://keras.io/api/layers/normalization_layers/unit_normalization/)).
///
/// Input of any shape and a floating-point dtype, output of the same. Lengths below 1e-12 are divided by as 1e-12, so
/// that 0 stays 0. Default: the last axis. No weights. It computes in f32 under mixed precision.
#[derive(Clone, Debug)]
pub struct UnitNormalization {
    axis: Axes,
}

impl Default for UnitNormalization {
    fn default() -> Self {
        UnitNormalization::new()
    }
}

impl UnitNormalization {
    /// Vectors along the last axis.
    pub fn new() -> UnitNormalization {
        UnitNormalization { axis: Axes::from(-1) }
    }

    /// The axes along which vectors lie: one, or a list.
    pub fn axis(mut self, axis: impl Into<Axes>) -> Self {
        self.axis = axis.into();
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<UnitNormalization> {
        Ok(UnitNormalization { axis: Axes::read(config.get("axis"), "axis", -1)? })
    }
}

impl Layer for UnitNormalization {
    fn class_name(&self) -> &'static str {
        "UnitNormalization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        x.axes(self.axis.list())?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let squares = x.square()?.sum(self.axis.list(), true)?.clip(1e-24, f64::INFINITY)?;
        Ok(Tensors::from_elem(x.div(&squares.sqrt()?)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "axis": self.axis.serialized() }))
    }

    fn full_precision(&self) -> bool {
        true
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

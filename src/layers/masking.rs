//! Steps that are left out.

use super::{Call, Config, Layer, Mask, Read, Spec, WeightSpec, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// 0 where all elements along the last axis are `mask_value`, else x
/// ([Keras](https://keras.io/api/layers/core_layers/masking/)).
///
/// Input `(batch, …, features)` of a floating-point dtype, output of the same, with the mask `(batch, …)` of the steps that
/// count: those where some element is another. Default: the value 0. No weights.
#[derive(Clone, Copy, Debug)]
pub struct Masking {
    mask_value: f64,
}

impl Default for Masking {
    fn default() -> Self {
        Masking::new()
    }
}

impl Masking {
    /// The layer with the value 0.
    pub fn new() -> Masking {
        Masking { mask_value: 0.0 }
    }

    /// What a masked step consists of.
    pub fn mask_value(mut self, mask_value: f64) -> Self {
        self.mask_value = mask_value;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Masking> {
        Ok(Masking { mask_value: config.number("mask_value", 0.0)? })
    }
}

impl Layer for Masking {
    fn class_name(&self) -> &'static str {
        "Masking"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if x.rank() < 2 {
            return Err(Error::Input(format!("expected at least 2 axes, got shape {x}")));
        }
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let (shape, number) = (x.shape(), |value| Tensor::full(&x.device(), (), x.dtype(), value));
        let steps = shape.without(shape.rank() - 1);
        if shape.last() == 0 {
            // Of no elements, none is another.
            call.set_mask(0, Some(Tensor::zeros(&x.device(), steps, DType::Bool)?));
            return Ok(Tensors::from_elem(x.clone(), 1));
        }
        let other = x.not_equal(&number(self.mask_value)?)?.cast(x.dtype())?;
        let kept = other.max(&[-1], true)?.greater(&number(0.0)?)?;
        call.set_mask(0, Some(kept.reshape(steps)?));
        Ok(Tensors::from_elem(kept.select(x, &number(0.0)?)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "mask_value": self.mask_value }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, _: usize, _: &[bool]) -> Mask {
        Mask::Set
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

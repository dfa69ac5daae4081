//! The exponential linear unit as a layer.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// x above 0, else alpha · (eˣ − 1) ([Keras](https://keras.io/api/layers/activation_layers/elu/),
/// [paper](https://arxiv.org/abs/1511.07289)).
///
/// Input of any shape and a floating-point dtype, output of the same. Default: alpha 1. No weights.
#[derive(Clone, Copy, Debug)]
pub struct ELU {
    alpha: f64,
}

impl Default for ELU {
    fn default() -> Self {
        ELU::new()
    }
}

impl ELU {
    /// The layer with alpha 1.
    pub fn new() -> ELU {
        ELU { alpha: 1.0 }
    }

    /// What the output tends to far below 0, less its sign.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<ELU> {
        Ok(ELU { alpha: config.number("alpha", 1.0)? })
    }
}

impl Layer for ELU {
    fn class_name(&self) -> &'static str {
        "ELU"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if !self.alpha.is_finite() {
            return Err(Error::Config(format!("argument `alpha`: expected a finite number, got {}", self.alpha)));
        }
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let elu = inputs[0].elu()?;
        let y = if self.alpha == 1.0 {
            elu
        } else {
            let zero = Tensor::zeros(&elu.device(), (), elu.dtype())?;
            inputs[0].greater(&zero)?.select(inputs[0], &elu.mul_scalar(self.alpha)?)?
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "alpha": self.alpha }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}

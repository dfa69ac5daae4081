//! The leaky rectified linear unit as a layer.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// x above 0, else negative_slope · x ([Keras](https://keras.io/api/layers/activation_layers/leaky_relu/),
/// [paper](https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf)).
///
/// Input of any shape and a floating-point dtype, output of the same. Default: the slope 0.3, which is not that of the
/// activation `leaky_relu`. No weights.
#[derive(Clone, Copy, Debug)]
pub struct LeakyReLU {
    negative_slope: f64,
}

impl Default for LeakyReLU {
    fn default() -> Self {
        LeakyReLU::new()
    }
}

impl LeakyReLU {
    /// The layer with Keras's slope, 0.3.
    pub fn new() -> LeakyReLU {
        LeakyReLU { negative_slope: 0.3 }
    }

    /// The slope below 0.
    pub fn negative_slope(mut self, negative_slope: f64) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<LeakyReLU> {
        Ok(LeakyReLU { negative_slope: config.number("negative_slope", 0.3)? })
    }
}

impl Layer for LeakyReLU {
    fn class_name(&self) -> &'static str {
        "LeakyReLU"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if !(0.0..f64::INFINITY).contains(&self.negative_slope) {
            let got = self.negative_slope;
            return Err(Error::Config(format!("argument `negative_slope`: expected a non-negative number, got {got}")));
        }
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let y = inputs[0].rectify(self.negative_slope, f64::INFINITY, 0.0)?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "negative_slope": self.negative_slope }))
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

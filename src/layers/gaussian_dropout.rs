//! Normal noise that is multiplied by.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// In training, x times normal numbers of the mean 1 and the standard deviation √(rate / (1 − rate)), which is that of
/// dropout; at other times x ([Keras](https://keras.io/api/layers/regularization_layers/gaussian_dropout/),
/// [paper](https://jmlr.org/papers/v15/srivastava14a.html)).
///
/// Input of any shape and a floating-point dtype, output of the same. No weights. The random numbers are the model's,
/// so they follow from its seed and the step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct GaussianDropout {
    rate: f64,
    seed: Value,
}

impl GaussianDropout {
    /// Noise as strong as that of dropout with this rate, from 0 to less than 1.
    pub fn new(rate: f64) -> GaussianDropout {
        GaussianDropout { rate, seed: Value::Null }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<GaussianDropout> {
        Ok(GaussianDropout {
            rate: config.number("rate", f64::NAN)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
        })
    }
}

impl Layer for GaussianDropout {
    fn class_name(&self) -> &'static str {
        "GaussianDropout"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::Config(format!("argument `rate`: expected a number in [0, 1), got {}", self.rate)));
        }
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let y = match call.training() && self.rate > 0.0 {
            true => {
                let stddev = (self.rate / (1.0 - self.rate)).sqrt();
                x.mul(&call.generator()?.normal(x.shape(), x.dtype(), 1.0, stddev)?)?
            }
            false => x.clone(),
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "rate": self.rate, "seed": self.seed }))
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

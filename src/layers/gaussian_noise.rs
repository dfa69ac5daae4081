//! Normal noise that is added.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// In training, x plus normal numbers of the mean 0 and the standard deviation `stddev`; at other times x
/// ([Keras](https://keras.io/api/layers/regularization_layers/gaussian_noise/)).
///
/// Input of any shape and a floating-point dtype, output of the same. No weights. The random numbers are the model's,
/// so they follow from its seed and the step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct GaussianNoise {
    stddev: f64,
    seed: Value,
}

impl GaussianNoise {
    /// Noise of this standard deviation, from 0 to 1 as in Keras.
    pub fn new(stddev: f64) -> GaussianNoise {
        GaussianNoise { stddev, seed: Value::Null }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<GaussianNoise> {
        Ok(GaussianNoise {
            stddev: config.number("stddev", f64::NAN)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
        })
    }
}

impl Layer for GaussianNoise {
    fn class_name(&self) -> &'static str {
        "GaussianNoise"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if !(0.0..=1.0).contains(&self.stddev) {
            return Err(Error::Config(format!("argument `stddev`: expected a number in [0, 1], got {}", self.stddev)));
        }
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let y = match call.training() && self.stddev > 0.0 {
            true => x.add(&call.generator()?.normal(x.shape(), x.dtype(), 0.0, self.stddev)?)?,
            false => x.clone(),
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "stddev": self.stddev, "seed": self.seed }))
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

//! Dropout that keeps mean and variance.

use super::dropout;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// What a dropped element becomes: −λ α.
const DROPPED: f64 = -1.758_099_340_847_376_6;

/// In training, a · x + b where a uniform number is at least `rate`, else a · α′ + b, with α′ = −λ α ≈ −1.7581, what
/// selu tends to, and with the a and b that keep the mean 0 and the variance 1; at other times x
/// ([Keras](https://keras.io/api/layers/regularization_layers/alpha_dropout/),
/// [paper](https://arxiv.org/abs/1706.02515)).
///
/// Input of any shape and a floating-point dtype, output of the same. No weights. The random numbers are the model's,
/// so they follow from its seed and the step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct AlphaDropout {
    rate: f64,
    noise_shape: Option<Vec<Option<usize>>>,
    seed: Value,
}

impl AlphaDropout {
    /// A layer that drops a fraction `rate` of the elements, from 0 to less than 1.
    pub fn new(rate: f64) -> AlphaDropout {
        AlphaDropout { rate, noise_shape: None, seed: Value::Null }
    }

    /// The shape of what is drawn, the batch included, which is then stretched over the input; `None` stands for the
    /// input's extent.
    pub fn noise_shape(mut self, shape: impl Into<Vec<Option<usize>>>) -> Self {
        self.noise_shape = Some(shape.into());
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<AlphaDropout> {
        Ok(AlphaDropout {
            rate: config.number("rate", f64::NAN)?,
            noise_shape: dropout::read_noise_shape(config)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
        })
    }
}

impl Layer for AlphaDropout {
    fn class_name(&self) -> &'static str {
        "AlphaDropout"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::Config(format!("argument `rate`: expected a number in [0, 1), got {}", self.rate)));
        }
        dropout::check_noise_shape(self.noise_shape.as_deref(), x)?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        if !call.training() || self.rate == 0.0 {
            return Ok(Tensors::from_elem(x.clone(), 1));
        }
        let shape = match &self.noise_shape {
            None => x.shape(),
            Some(noise) => dropout::concrete(noise, x)?,
        };
        let a = ((1.0 - self.rate) * (1.0 + self.rate * DROPPED * DROPPED)).powf(-0.5);
        let number = |value| Tensor::full(&x.device(), (), x.dtype(), value);
        let drawn = call.generator()?.uniform(shape, DType::F32, 0.0, 1.0)?;
        let kept = drawn.greater_equal(&Tensor::full(&x.device(), (), DType::F32, self.rate)?)?;
        let y = kept.select(x, &number(DROPPED)?)?.rescale(a, -a * DROPPED * self.rate)?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        self.noise_shape.is_none()
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}

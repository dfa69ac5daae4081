//! Dropout.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// In training, x / (1 − rate) where a uniform number is at least `rate`, else 0; at other times x
/// ([Keras](https://keras.io/api/layers/regularization_layers/dropout/); Srivastava et al., *Dropout*, JMLR 2014).
///
/// Input of any shape and a floating-point dtype, output of the same. No weights. The random numbers are the model's,
/// so they follow from its seed and the step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct Dropout {
    rate: f64,
    noise_shape: Option<Vec<Option<usize>>>,
    seed: Value,
}

impl Dropout {
    /// A layer that drops a fraction `rate` of the elements, from 0 to 1.
    pub fn new(rate: f64) -> Dropout {
        Dropout { rate, noise_shape: None, seed: Value::Null }
    }

    /// The shape of what is drawn, the batch included, which is then stretched over the input: an extent of 1 drops the
    /// whole axis or keeps it, `None` is the input's. By default every element is drawn by itself.
    pub fn noise_shape(mut self, shape: impl Into<Vec<Option<usize>>>) -> Self {
        self.noise_shape = Some(shape.into());
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Dropout> {
        Ok(Dropout {
            rate: config.number("rate", f64::NAN)?,
            noise_shape: read_noise_shape(config)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
        })
    }
}

impl Layer for Dropout {
    fn class_name(&self) -> &'static str {
        "Dropout"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Error::Config(format!("argument `rate`: expected a number in [0, 1], got {}", self.rate)));
        }
        check_noise_shape(self.noise_shape.as_deref(), x)?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let y = match &self.noise_shape {
            Some(noise) if call.training() && self.rate > 0.0 && self.rate < 1.0 => {
                let ones = Tensor::ones(&x.device(), concrete(noise, x)?, x.dtype())?;
                x.mul(&ones.dropout(self.rate, call.generator()?)?)?
            }
            _ => call.dropout(x, self.rate)?,
        };
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

/// The argument `noise_shape`: extents, of which null is the input's.
pub(super) fn read_noise_shape(config: &Config) -> Result<Option<Vec<Option<usize>>>> {
    let extent = |value: &Value| match value {
        Value::Null => Some(None),
        value => value.as_u64().and_then(|n| usize::try_from(n).ok()).map(Some),
    };
    let Some(value) = config.find("noise_shape") else { return Ok(None) };
    let list = value.as_array().and_then(|items| items.iter().map(extent).collect::<Option<Vec<_>>>());
    list.map(Some).ok_or_else(|| {
        Error::Config(format!("argument `noise_shape`: expected a list of extents or nulls, got {value}"))
    })
}

/// Checks that what is drawn stretches to the input.
pub(super) fn check_noise_shape(noise: Option<&[Option<usize>]>, x: &Spec) -> Result<()> {
    let Some(noise) = noise else { return Ok(()) };
    let fits = |(n, x): (&Option<usize>, &Option<usize>)| match (n, x) {
        (Some(n), Some(x)) => *n == 1 || n == x,
        _ => true,
    };
    if noise.len() == x.rank() && noise.iter().zip(&x.dims).all(fits) {
        return Ok(());
    }
    let noise = Spec { dims: noise.to_vec(), dtype: x.dtype };
    Err(Error::Input(format!("expected an input that `noise_shape` {noise} stretches to, got shape {x}")))
}

/// The shape of what is drawn for an input.
pub(super) fn concrete(noise: &[Option<usize>], x: &Tensor) -> Result<Shape> {
    let dims: Vec<usize> = noise.iter().zip(x.shape().iter()).map(|(n, x)| n.unwrap_or(*x)).collect();
    Shape::new(&dims)
}

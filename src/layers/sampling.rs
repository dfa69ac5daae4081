//! A point drawn from a normal distribution that a network describes.

use super::merge::{exactly, list};
use super::{Call, Config, Layer, Spec, WeightSpec, object};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// A point of the latent space of a variational autoencoder, drawn in a way that gradients flow through
/// ([Kingma and Welling, 2013](https://arxiv.org/abs/1312.6114); [Keras's example](https://keras.io/examples/generative/vae/)):
/// in training z = z_mean + exp(z_log_var / 2) · ε, with ε drawn from the standard normal distribution; at other times
/// z_mean, which is the likeliest point.
///
/// Inputs z_mean and z_log_var of one shape and a floating-point dtype, output of the same. No weights. The random
/// numbers are the model's, so they follow from its seed and the step.
///
/// Model files name it `uncrumple>Sampling`: Keras opens them where a class of that name is registered.
#[derive(Clone, Debug, Default)]
pub struct Sampling {}

impl Sampling {
    /// The layer.
    pub fn new() -> Sampling {
        Sampling {}
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(_: &Config) -> Result<Sampling> {
        Ok(Sampling::new())
    }
}

impl Layer for Sampling {
    fn class_name(&self) -> &'static str {
        "Sampling"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        exactly(2, inputs)?;
        inputs[0].require_float()?;
        match inputs[0] == inputs[1] {
            true => Ok(vec![inputs[0].clone()]),
            false => {
                let got = list(inputs);
                Err(Error::Input(format!("expected a mean and the logarithm of a variance of one shape, got {got}")))
            }
        }
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(Vec::new())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (mean, log_var) = (inputs[0], inputs[1]);
        let z = match call.training() {
            true => {
                let epsilon = call.generator()?.normal(mean.shape(), mean.dtype(), 0.0, 1.0)?;
                mean.add(&log_var.mul_scalar(0.5)?.exp()?.mul(&epsilon)?)?
            }
            false => mean.clone(),
        };
        Ok(Tensors::from_elem(z, 1))
    }

    fn config(&self) -> Config {
        object(json!({}))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

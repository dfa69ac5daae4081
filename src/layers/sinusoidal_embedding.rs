//! Sines and cosines of numbers.

use super::{Call, Config, Constant, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use std::f64::consts::TAU;

/// A number as sines and cosines of frequencies that grow geometrically, by which a network can tell numbers apart that
/// are near one another: the noise level or the time of a diffusion model
/// ([Keras's example](https://keras.io/examples/generative/ddim/)): for x the numbers sin(2π f₀ x), sin(2π f₁ x), …,
/// cos(2π f₀ x), cos(2π f₁ x), …, with fᵢ = min_frequency · (max_frequency / min_frequency)^(i / (output_dim / 2 − 1));
/// f₀ alone where `output_dim` is 2.
///
/// Input `(batch, …, 1)` of a floating-point dtype, output `(batch, …, output_dim)`; `output_dim` is even. No weights.
/// Defaults: 1, 1000. In a mixed model, of which half-precision numbers are too coarse for the highest frequencies, give
/// it [`Precision::F32`](super::Precision::F32).
///
/// Model files name it `uncrumple>SinusoidalEmbedding`: Keras opens them where a class of that name is registered.
#[derive(Debug)]
pub struct SinusoidalEmbedding {
    output_dim: usize,
    min_frequency: f64,
    max_frequency: f64,
    /// 2π fᵢ.
    speeds: Constant,
}

impl SinusoidalEmbedding {
    /// So many numbers for each.
    pub fn new(output_dim: usize) -> SinusoidalEmbedding {
        SinusoidalEmbedding::of(output_dim, 1.0, 1000.0)
    }

    /// The lowest frequency; by default 1.
    pub fn min_frequency(self, min_frequency: f64) -> SinusoidalEmbedding {
        SinusoidalEmbedding::of(self.output_dim, min_frequency, self.max_frequency)
    }

    /// The highest frequency; by default 1000.
    pub fn max_frequency(self, max_frequency: f64) -> SinusoidalEmbedding {
        SinusoidalEmbedding::of(self.output_dim, self.min_frequency, max_frequency)
    }

    fn of(output_dim: usize, min_frequency: f64, max_frequency: f64) -> SinusoidalEmbedding {
        let last = (output_dim / 2).saturating_sub(1).max(1) as f64;
        let speed = |i: usize| TAU * min_frequency * (max_frequency / min_frequency).powf(i as f64 / last);
        // What is too large is refused before it is used.
        let speeds: Vec<f64> = (0..(output_dim / 2).min(MOST)).map(speed).collect();
        SinusoidalEmbedding { output_dim, min_frequency, max_frequency, speeds: speeds.into() }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<SinusoidalEmbedding> {
        let output_dim = config.size("output_dim")?;
        let (min, max) = (config.number("min_frequency", 1.0)?, config.number("max_frequency", 1000.0)?);
        Ok(SinusoidalEmbedding::of(output_dim, min, max))
    }
}

/// Frequencies that one layer has at most: a file may say how many.
const MOST: usize = 1 << 16;

impl Layer for SinusoidalEmbedding {
    fn class_name(&self) -> &'static str {
        "SinusoidalEmbedding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        let (dim, min, max) = (self.output_dim, self.min_frequency, self.max_frequency);
        if dim == 0 || !dim.is_multiple_of(2) || dim / 2 > MOST {
            let message = format!("argument `output_dim`: expected an even number up to {}, got {dim}", 2 * MOST);
            return Err(Error::Config(message));
        }
        if !(min > 0.0 && min <= max && max.is_finite()) {
            let message = format!("expected 0 < min_frequency <= max_frequency, got {min} and {max}");
            return Err(Error::Config(message));
        }
        if x.rank() < 2 || x.known(-1)? != 1 {
            return Err(Error::Input(format!("expected axis -1 of the input to be 1, got shape {x}")));
        }
        let mut dims = x.dims.clone();
        dims.pop();
        dims.push(Some(dim));
        Ok(vec![Spec { dims, dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(Vec::new())
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let angles = inputs[0].mul(&self.speeds.like(inputs[0])?)?;
        Ok(Tensors::from_elem(Tensor::concatenate(&[&angles.sin()?, &angles.cos()?], -1)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({
            "output_dim": self.output_dim,
            "min_frequency": self.min_frequency,
            "max_frequency": self.max_frequency,
        }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

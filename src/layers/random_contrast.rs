//! Contrast at random.

use super::image::Factor;
use super::tone::{Tone, tone_setters};
use super::{Call, Config, Layer, Spec, WeightSpec};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{Tensor, Tensors};

/// In training, (x − mean) · f + mean for each channel of each image, with f uniform from 1 − lower to 1 + upper, cut
/// off at `value_range`; at other times x
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_contrast/)).
///
/// Default: values from 0 to 255.
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct RandomContrast {
    tone: Tone,
}

impl RandomContrast {
    /// The lower and the upper number, from 0 to 1; one alone is the upper one, with 0 for the lower, as in Keras 3.15.
    pub fn new(factor: impl Into<Factor>) -> RandomContrast {
        RandomContrast { tone: Tone::new(factor) }
    }

    tone_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomContrast> {
        Ok(RandomContrast { tone: Tone::read(config, None)? })
    }
}

impl Layer for RandomContrast {
    fn class_name(&self) -> &'static str {
        "RandomContrast"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![self.tone.check(0.0, inputs)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        if !call.training() {
            return Ok(Tensors::from_elem(x, 1));
        }
        let ([lower, upper], [low, high]) = (self.tone.factor.range(0.0), self.tone.value_range);
        let shape = [x.shape()[0], 1, 1, 1];
        let factor = call.generator()?.uniform(shape, DType::F32, 1.0 - lower, 1.0 + upper)?.cast(x.dtype())?;
        let mean = x.mean(&[1, 2], true)?;
        Ok(Tensors::from_elem(x.sub(&mean)?.mul(&factor)?.add(&mean)?.clip(low, high)?, 1))
    }

    fn config(&self) -> Config {
        self.tone.config(0.0)
    }

    fn full_precision(&self) -> bool {
        true
    }
}

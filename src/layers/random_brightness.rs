//! Brightness at random.

use super::image::Factor;
use super::tone::{Tone, tone_setters};
use super::{Call, Config, Layer, Spec, WeightSpec};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{Tensor, Tensors};

/// In training, x + f · (high − low) for each image, with f uniform in `factor`, cut off at `value_range`, which is
/// from low to high; at other times x
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_brightness/)).
///
/// Default: values from 0 to 255.
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct RandomBrightness {
    tone: Tone,
}

impl RandomBrightness {
    /// From −`factor` to `factor`, or between two numbers, all from −1, which is black, to 1, which is white.
    pub fn new(factor: impl Into<Factor>) -> RandomBrightness {
        RandomBrightness { tone: Tone::new(factor) }
    }

    tone_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomBrightness> {
        Ok(RandomBrightness { tone: Tone::read(config, None)? })
    }
}

impl Layer for RandomBrightness {
    fn class_name(&self) -> &'static str {
        "RandomBrightness"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![self.tone.check(-1.0, inputs)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        if !call.training() {
            return Ok(Tensors::from_elem(x, 1));
        }
        let [low, high] = self.tone.value_range;
        let [least, most] = self.tone.factor.range(-1.0).map(|f| f * (high - low));
        let delta = call.generator()?.uniform([x.shape()[0], 1, 1, 1], DType::F32, least, most)?;
        Ok(Tensors::from_elem(x.add(&delta.cast(x.dtype())?)?.clip(low, high)?, 1))
    }

    fn config(&self) -> Config {
        self.tone.config(-1.0)
    }

    fn full_precision(&self) -> bool {
        true
    }
}

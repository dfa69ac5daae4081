//! A part of images at random.

use super::image::{channels_last, crop_and_resize, extents, float_images, sized};
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::ops::{FillMode, Interpolation, Motion};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// In training, a part of this size of all images of a batch, at one random place; of images that are not larger in
/// both directions, and at other times, the largest part in the middle that has its proportions, resized to it
/// bilinearly ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_crop/)).
///
/// So says Keras's page. Keras 3.15 itself lets images through as they are when it does not train, and when it trains
/// on smaller ones it does not keep to the proportions.
///
/// Input `(batch, height, width, channels)` of any dtype, output the same with this height and width; integers become
/// float32, and so it computes under mixed precision. No weights. The random numbers are the model's, so they follow
/// from its seed and the step; a `seed` in a Keras config is kept and not used. No gradient flows through it: it stands
/// before the first weights, and what is trained before it ends in [`Error::NoGradient`](crate::Error::NoGradient).
#[derive(Clone, Debug)]
pub struct RandomCrop {
    size: [usize; 2],
    seed: Value,
}

impl RandomCrop {
    /// Parts of this height and width.
    pub fn new(height: usize, width: usize) -> RandomCrop {
        RandomCrop { size: [height, width], seed: Value::Null }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomCrop> {
        channels_last(config)?;
        let seed = config.find("seed").cloned().unwrap_or_default();
        Ok(RandomCrop { seed, ..RandomCrop::new(config.size("height")?, config.size("width")?) })
    }
}

impl Layer for RandomCrop {
    fn class_name(&self) -> &'static str {
        "RandomCrop"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![sized(float_images(one(inputs)?)?, self.size)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (x, size) = (call.float(inputs[0])?, self.size);
        let larger = extents(&x).iter().zip(size).all(|(have, want)| *have > want);
        let y = if call.training() && larger {
            let maps = call.generator()?.affine(Motion::Crop(size), &x.shape())?;
            x.affine_transform(&maps, size, Interpolation::Nearest, FillMode::Nearest, 0.0)?
        } else {
            crop_and_resize(&x, size, Interpolation::Bilinear, false)?
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        let [height, width] = self.size;
        object(json!({ "height": height, "width": width, "seed": self.seed, "data_format": "channels_last" }))
    }

    fn full_precision(&self) -> bool {
        true
    }
}

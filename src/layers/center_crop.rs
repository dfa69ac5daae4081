//! The middle of images.

use super::image::{centre, channels_last, crop_and_resize, extents, float_images, sized};
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::ops::Interpolation;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// The part of this size in the middle of images; of smaller ones the largest part of its proportions, resized to it
/// bilinearly ([Keras](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/center_crop/)).
///
/// Input `(batch, height, width, channels)` of any dtype, output the same with this height and width; integers become
/// float32, and so it computes under mixed precision. No weights.
#[derive(Clone, Debug)]
pub struct CenterCrop {
    size: [usize; 2],
}

impl CenterCrop {
    /// Images of this height and width.
    pub fn new(height: usize, width: usize) -> CenterCrop {
        CenterCrop { size: [height, width] }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<CenterCrop> {
        channels_last(config)?;
        Ok(CenterCrop::new(config.size("height")?, config.size("width")?))
    }
}

impl Layer for CenterCrop {
    fn class_name(&self) -> &'static str {
        "CenterCrop"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![sized(float_images(one(inputs)?)?, self.size)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        let fits = extents(&x).iter().zip(self.size).all(|(have, want)| *have >= want);
        let y = match fits {
            true => centre(&x, self.size)?,
            false => crop_and_resize(&x, self.size, Interpolation::Bilinear, false)?,
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "height": self.size[0], "width": self.size[1], "data_format": "channels_last" }))
    }

    fn full_precision(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

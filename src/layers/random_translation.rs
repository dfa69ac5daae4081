//! Images moved at random.

use super::image::{Factor, channels_last, float_images};
use super::warp::{Warp, warp_setters};
use super::{Call, Config, Layer, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::ops::Motion;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// In training, each image moved down and to the right by parts of its height and width that are uniform in the
/// factors; at other times as it is
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_translation/)).
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used. No gradient flows through it: it stands before the first
/// weights, and what is trained before it ends in [`Error::NoGradient`](crate::Error::NoGradient).
#[derive(Clone, Debug)]
pub struct RandomTranslation {
    height: Factor,
    width: Factor,
    warp: Warp,
}

impl RandomTranslation {
    /// By parts of the height and the width from −`factor` to `factor`, or between two numbers, all from −1 to 1.
    pub fn new(height_factor: impl Into<Factor>, width_factor: impl Into<Factor>) -> RandomTranslation {
        RandomTranslation { height: height_factor.into(), width: width_factor.into(), warp: Warp::default() }
    }

    warp_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomTranslation> {
        channels_last(config)?;
        let height = Factor::required(config, "height_factor")?;
        let width = Factor::required(config, "width_factor")?;
        Ok(RandomTranslation { height, width, warp: Warp::read(config)? })
    }
}

impl Layer for RandomTranslation {
    fn class_name(&self) -> &'static str {
        "RandomTranslation"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        self.height.check("height_factor", [-1.0, 1.0])?;
        self.width.check("width_factor", [-1.0, 1.0])?;
        self.warp.check(float_images(one(inputs)?)?)
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let [height, width] = [self.height, self.width].map(|f| f.range(-1.0));
        self.warp.forward(call, inputs[0], Motion::Translate { height, width })
    }

    fn config(&self) -> Config {
        let (height, width) = (self.height.serialized(), self.width.serialized());
        self.warp.write(object(json!({ "height_factor": height, "width_factor": width })))
    }

    fn full_precision(&self) -> bool {
        true
    }
}

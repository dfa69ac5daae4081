//! Images turned at random.

use super::image::{Factor, channels_last, float_images};
use super::warp::{Warp, warp_setters};
use super::{Call, Config, Layer, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::ops::Motion;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// In training, each image turned about its middle by a part of a whole turn that is uniform in `factor`; at other
/// times as it is ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_rotation/)).
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used. No gradient flows through it: it stands before the first
/// weights, and what is trained before it ends in [`Error::NoGradient`](crate::Error::NoGradient).
#[derive(Clone, Debug)]
pub struct RandomRotation {
    factor: Factor,
    warp: Warp,
}

impl RandomRotation {
    /// By a part of a turn from −`factor` to `factor`, or between two numbers, all from −1 to 1; a positive one turns
    /// the image counter-clockwise.
    pub fn new(factor: impl Into<Factor>) -> RandomRotation {
        RandomRotation { factor: factor.into(), warp: Warp::default() }
    }

    warp_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomRotation> {
        channels_last(config)?;
        Ok(RandomRotation { factor: Factor::required(config, "factor")?, warp: Warp::read(config)? })
    }
}

impl Layer for RandomRotation {
    fn class_name(&self) -> &'static str {
        "RandomRotation"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        self.factor.check("factor", [-1.0, 1.0])?;
        self.warp.check(float_images(one(inputs)?)?)
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        self.warp.forward(call, inputs[0], Motion::Rotate(self.factor.range(-1.0)))
    }

    fn config(&self) -> Config {
        self.warp.write(object(json!({ "factor": self.factor.range(-1.0) })))
    }

    fn full_precision(&self) -> bool {
        true
    }
}
